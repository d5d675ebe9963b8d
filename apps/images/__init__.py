"""Blood cells in pictures: the sample that travels with the application, and a day of it as a delivery."""
