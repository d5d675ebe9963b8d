"""Objects found in pictures: a detector trained, judged, compared with the champion, and put to work."""
