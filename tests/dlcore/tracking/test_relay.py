"""Lines that are printed, warned of and logged are passed on in order; too many are counted, and none is waited for."""

import logging
import sys
import warnings

import pytest

from dlcore.tracking.relay import LINES, Entry, relayed


def test_prints_warnings_and_records_are_sent_and_still_seen_here(capsys: pytest.CaptureFixture[str]) -> None:
    sent: list[Entry] = []

    def send(entries: list[Entry]) -> bool:
        sent.extend(entries)
        return True

    with warnings.catch_warnings(record=True) as shown, relayed(send):
        warnings.simplefilter("always")
        print("two", "words")
        sys.stdout.write("begun, ")
        warnings.warn("strange", stacklevel=1)
        logging.getLogger("mine").error("wrong %d", 1)
        sys.stdout.write("ended\nnever ended")
    assert sent[0] == (logging.INFO, "two words")
    assert sent[1][0] == logging.WARNING
    assert "UserWarning: strange" in sent[1][1]
    assert sent[2:] == [
        (logging.ERROR, "mine: wrong 1"),
        (logging.INFO, "begun, ended"),
        (logging.INFO, "never ended"),
    ]
    print("afterwards")
    assert capsys.readouterr().out == "two words\nbegun, ended\nnever endedafterwards\n"
    assert len(sent) == 5
    assert [str(warning.message) for warning in shown] == ["strange"]


def test_of_too_many_lines_the_first_are_sent_and_the_others_counted() -> None:
    sent: list[Entry] = []
    refused: list[int] = []

    def send(entries: list[Entry]) -> bool:
        if not refused:
            refused.append(len(entries))
            return False
        sent.extend(entries)
        return True

    with relayed(send):
        print("unlucky")
        while not refused:
            pass
        print("\n".join(map(str, range(LINES + 5))))
    assert sent[:LINES] == [(logging.INFO, str(n)) for n in range(LINES)]
    assert sent[LINES:] == [(logging.WARNING, "6 more lines were left out")]
