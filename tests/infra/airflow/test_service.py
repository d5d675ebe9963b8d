from infra.airflow.service import free_port


def test_two_starts_at_once_choose_two_ports() -> None:
    with free_port("127.0.0.1") as one, free_port("127.0.0.1") as other:
        assert one != other
