"""Times as manifests, answers and people write them."""

from datetime import UTC, date, datetime, timedelta, timezone
from itertools import product
from unittest.mock import patch

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from reconciler import instants
from reconciler.instants import BadTime, Moment, parse_clock, parse_declared, parse_known

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOON = parse_known("2016-10-02T12:00:00Z")


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("2016-10-02 13:00 +0100", "2016-10-02 13:00 +0100"),
        ("2016-10-02 13:00:00 +0100", "2016-10-02 13:00 +0100"),
        ("2016-10-02T13:00+01:00", "2016-10-02 13:00 +0100"),
        ("2016-10-02T13:00:00+01:00", "2016-10-02 13:00 +0100"),
        ("2016-10-02t12:00:00z", "2016-10-02 12:00 +0000"),
        ("2016-10-02T12:00Z", "2016-10-02 12:00 +0000"),
        ("2016-10-02T12:00+00:00", "2016-10-02 12:00 +0000"),
        ("2016-10-02 12:00 +0000", "2016-10-02 12:00 +0000"),
        ("2016-10-02 00:00 -1200", "2016-10-02 00:00 -1200"),
        ("2016-10-03 02:00 +1400", "2016-10-03 02:00 +1400"),
        ("2016-10-02 17:45 +0545", "2016-10-02 17:45 +0545"),
        ("2016-10-02 08:30 -0330", "2016-10-02 08:30 -0330"),
    ],
)
def test_both_forms_are_the_same_instant_with_their_own_offset(text, sent):
    assert parse_declared(text) == Moment(NOON, sent)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "bad-time"),
        ("tomorrow", "bad-time"),
        ("2016-10-02 13:00 +0100\n", "bad-time"),
        (" 2016-10-02 13:00 +0100", "bad-time"),
        ("2016-10-02  13:00 +0100", "bad-time"),
        ("2016-10-02 13:00+0100", "bad-time"),
        ("2016-10-02 13:00 +01:00", "bad-time"),
        ("2016-10-02T13:00+0100", "bad-time"),
        ("2016-10-02T13:00 +01:00", "bad-time"),
        ("2016-10-02 13:00 Z", "bad-time"),
        ("2016-10-2 13:00 +0100", "bad-time"),
        ("٢٠١٦-10-02 13:00 +0100", "bad-time"),
        ("2016-02-30 13:00 +0100", "bad-time"),
        ("2015-02-29 13:00 +0100", "bad-time"),
        ("2016-13-01 13:00 +0100", "bad-time"),
        ("2016-00-01 13:00 +0100", "bad-time"),
        ("0000-01-01 13:00 +0100", "bad-time"),
        ("0001-01-01 00:00 +0000", "bad-time"),
        ("9999-12-31 23:59 +0000", "bad-time"),
        ("2016-10-02 24:00 +0100", "bad-time"),
        ("2016-10-02 13:60 +0100", "bad-time"),
        ("2016-10-02", "time-without-offset"),
        ("2016-10-02 13:00", "time-without-offset"),
        ("2016-10-02T13:00:00", "time-without-offset"),
        ("2016-10-02T13:00:00.5", "time-without-offset"),
        ("2016-10-02T13:00:01Z", "time-with-seconds"),
        ("2016-10-02 13:00:30 +0100", "time-with-seconds"),
        ("2016-10-02T13:00:60Z", "time-with-seconds"),
        ("2016-10-02T13:00:00.0Z", "time-with-seconds"),
        ("2016-10-02T13:00:00.000+01:00", "time-with-seconds"),
        ("2016-10-02 13:00 -1201", "bad-offset"),
        ("2016-10-02 13:00 +1401", "bad-offset"),
        ("2016-10-02 13:00 +0160", "bad-offset"),
        ("2016-10-02 13:00 -0000", "bad-offset"),
        ("2016-10-02T13:00-00:00", "bad-offset"),
        ("2016-10-02T13:00+99:99", "bad-offset"),
    ],
)
def test_other_texts_are_refused_by_a_rule_with_a_hint(text, rule):
    with pytest.raises(BadTime) as raised:
        parse_declared(text)
    assert raised.value.rule == rule
    assert raised.value.hint


@pytest.mark.parametrize("parse", [parse_declared, parse_known, parse_clock])
def test_a_long_text_is_cut_in_messages(parse):
    with pytest.raises(BadTime) as raised:
        parse("2016-10-02T13:00:00." + "x" * 1_000_000)
    assert len(str(raised.value)) < 120


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("2016-10-02T12:00:00Z", "2016-10-02T12:00:00Z"),
        ("2016-10-02T12:00Z", "2016-10-02T12:00:00Z"),
        ("2016-10-02T14:00:45.678+02:00", "2016-10-02T12:00:00Z"),
        ("2016-10-02 12:00:59 +0000", "2016-10-02T12:00:00Z"),
        ("2016-10-02 12:00:00Z", "2016-10-02T12:00:00Z"),
        ("2016-10-02T12:00:00-00:00", "2016-10-02T12:00:00Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:00Z"),
        ("1969-12-31T23:59:59Z", "1969-12-31T23:59:00Z"),
        ("2016-10-02T12:00:00+23:59", "2016-10-01T12:01:00Z"),
        ("0999-10-02T12:00:00Z", "0999-10-02T12:00:00Z"),
    ],
)
def test_known_times_are_cut_to_their_minute(text, known):
    assert instants.instant_text(parse_known(text)) == known


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2016-10-02",
        "2016-10-02T12:00:00",
        "2016-10-02T12:00:61Z",
        "2016-10-02T12:00:00+24:00",
        "2016-10-02T12:00:00+10:60",
        "2016-02-30T12:00:00Z",
        "2016-10-02T12:00:00Z\n",
        "9999-12-31T23:59:00Z",
    ],
)
def test_known_times_that_cannot_be_are_refused(text):
    with pytest.raises(BadTime) as raised:
        parse_known(text)
    assert raised.value.hint


@pytest.mark.parametrize(
    ("text", "clock"),
    [
        ("2026-11-24T11:00:59+01:00", "2026-11-24T10:00:59Z"),
        ("2026-11-24 11:00 +0100", "2026-11-24T10:00:00Z"),
        ("2026-11-24T10:00:60.9Z", "2026-11-24T10:00:59Z"),
        ("0999-11-24T10:00:00Z", "0999-11-24T10:00:00Z"),
    ],
)
def test_the_clock_is_read_to_the_second(text, clock):
    assert instants.clock_text(parse_clock(text)) == clock


def test_a_moment_lies_in_the_minute_that_has_begun():
    moment = datetime(2026, 11, 24, 11, 0, 59, 999_999, tzinfo=timezone(timedelta(hours=1)))
    assert instants.instant_text(instants.minute_of(moment)) == "2026-11-24T10:00:00Z"
    assert instants.clock_text(moment) == "2026-11-24T10:00:59Z"
    assert instants.minute_of(EPOCH - timedelta(seconds=1)) == -1


def test_texts_for_people_name_the_day_alone_at_midnight():
    assert instants.day_text(parse_known("2026-12-01T00:00:00Z")) == "2026-12-01"
    assert instants.day_text(parse_known("2026-12-01T10:05:00Z")) == "2026-12-01 10:05 UTC"
    assert instants.day_text(parse_known("2026-12-01T10:00:00Z")) == "2026-12-01 10:00 UTC"
    assert instants.short_text(parse_known("2026-12-01T10:05:00Z")) == "2026-12-01T10:05Z"


LOCALS = st.datetimes(datetime(2, 1, 1), datetime(9998, 12, 30)).map(lambda each: each.replace(second=0, microsecond=0))
OFFSETS = st.integers(-12 * 60, 14 * 60)


def offset_text(offset: int, colon: str) -> str:
    hours, minutes = divmod(abs(offset), 60)
    return f"{'-' if offset < 0 else '+'}{hours:02}{colon}{minutes:02}"


@given(LOCALS, OFFSETS)
def test_every_time_is_the_instant_that_datetime_says(local, offset):
    text = f"{local.isoformat(' ')[:16]} {offset_text(offset, '')}"
    moment = parse_declared(text)
    aware = local.replace(tzinfo=timezone(timedelta(minutes=offset)))
    assert moment == Moment(instants.minute_of(aware), text)
    assert moment == parse_declared(f"{local.isoformat()}{offset_text(offset, ':')}")
    assert moment.minute == parse_known(text) == instants.minute_of(parse_clock(text))
    assert instants.payway_text(moment.minute, instants.offset_of(text)) == text
    assert instants.offset_of(text) == offset


@given(st.integers(-1_034_000_000, 4_221_000_000))
def test_every_instant_can_be_written_and_read_again(minute):
    for text in (instants.instant_text(minute), instants.short_text(minute)):
        assert parse_known(text) == minute
    assert instants.clock_text(EPOCH + timedelta(minutes=minute)) == instants.instant_text(minute)


@given(st.text(max_size=30) | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:. +Z-]{0,20}", fullmatch=True))
def test_any_text_is_a_time_or_a_bad_time(text):
    for parse in (parse_declared, parse_known, parse_clock):
        try:
            parse(text)
        except BadTime as error:
            assert error.rule in ("bad-time", "time-without-offset", "time-with-seconds", "bad-offset")


@given(st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[012][0-9]:[0-5][0-9]:00[+-][01][0-9]:[0-5][0-9]", fullmatch=True))
def test_what_is_accepted_is_what_python_accepts(text):
    try:
        expected = datetime.fromisoformat(text)
        assume(2 <= expected.year <= 9998)
    except ValueError:
        expected = None
    offset = int(text[-6] + text[-5:-3]) * 60 + int(text[-6] + text[-2:])
    allowed = expected is not None and -720 <= offset <= 840 and not text.endswith("-00:00")
    try:
        moment = parse_declared(text)
    except BadTime:
        assert not allowed
    else:
        assert allowed
        assert expected is not None
        assert moment.minute == instants.minute_of(expected)
        assert moment.text[:10] == date(int(text[:4]), int(text[5:7]), int(text[8:10])).isoformat()


def the_long_way(text: str):
    """What `parse_declared` says without its short way."""
    with patch.object(instants, "usual_time", return_value=None):
        try:
            return parse_declared.__wrapped__(text)
        except BadTime as error:
            return error.rule


def the_short_way(text: str):
    found = instants.usual_time(text)
    if found is None:
        return None
    minute, sent, instant = found
    assert instant == instants.instant_text(minute)
    return Moment(minute, sent)


DATES = [f"{year}-{day}" for year in ("0000", "0001", "0002", "1970", "2016", "2100", "9998", "9999") for day in (
    "01-01", "02-28", "02-29", "02-30", "12-31", "13-01", "00-10", "04-31")]  # fmt: skip
CLOCKS = ["00:00", "13:07", "23:59", "24:00", "23:60", "12:00:00", "12:00:01", "12:00:00.0", "1:00", "12:00:", ""]
ZONES = ["+0000", "-0000", "+0100", "-1200", "-1201", "-1159", "+1400", "+1401", "+1360", "+0160", "+9999", "-0030"]


FORMS = [
    "{} {} {}",
    "{}T{}{:.3}:{:.2}",
    "{}t{}{}",
    "{}T{}{}",
    "{} {} Z",
    "{}T{}Z",
    "{}T{}z",
    "{}t{}Z",
    "{}T{}",
    "{}  {} {}",
]


def test_the_short_way_to_a_time_says_what_the_long_way_says():
    found = 0
    for day, clock, zone in product(DATES, CLOCKS, ZONES):
        for form in FORMS:
            text = form.format(day, clock, zone, zone[3:])
            short = the_short_way(text)
            assert short is None or short == the_long_way(text), text
            found += short is not None
    assert found > 1000


@given(
    st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2})?( ?[+-][0-9]{2}:?[0-9]{2}|[Zz])\n?")
    | st.builds("{}-{}-{} {}:{} {}".format, *[st.text("0123456789٠²+-TZ: \n", max_size=5)] * 6)
)
def test_no_text_makes_the_short_way_to_a_time_say_something_else(text):
    found = the_short_way(text)
    assert found is None or found == the_long_way(text)


@given(LOCALS, OFFSETS)
def test_usual_times_go_the_short_way(local, offset):
    assume(3 <= local.year <= 9997)
    for text in (
        f"{local.isoformat(' ')[:16]} {offset_text(offset, '')}",
        f"{local.isoformat()[:16]}{offset_text(offset, ':')}",
    ):
        assert the_short_way(text) == the_long_way(text)
    assert the_short_way(f"{local.isoformat()[:16]}Z") == the_long_way(f"{local.isoformat()[:16]}Z")


def known_the_long_way(text: str):
    try:
        return instants._any_known(text)
    except BadTime as error:
        return error.rule


def test_the_short_way_to_a_known_time_says_what_the_long_way_says():
    found = 0
    for day, clock, end in product(DATES, [*CLOCKS, "12:00:59", "23:59:60"], ["Z", "z", " Z", "", "+00:00", "Z\n"]):
        for text in (f"{day}T{clock}{end}", f"{day} {clock}{end}"):
            short = instants._usual_instant(text)
            assert short is None or short == known_the_long_way(text), text
            found += short is not None
    assert found > 80


@given(
    st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2})?( ?[+-][0-9]{2}:?[0-9]{2}|[Zz])\n?")
    | st.builds("{}-{}-{}T{}:{}:{}Z".format, *[st.text("0123456789٠²", min_size=2, max_size=2)] * 6)
)
def test_no_text_makes_the_short_way_to_a_known_time_say_something_else(text):
    found = instants._usual_instant(text)
    assert found is None or found == known_the_long_way(text)


@given(st.integers(-1_034_000_000, 4_221_000_000))
def test_instants_are_read_the_short_way_and_written_as_datetime_writes_them(minute):
    moment = (EPOCH + timedelta(minutes=minute)).replace(tzinfo=None)
    assume(2 <= moment.year <= 9998)
    assert instants.short_text(minute) == moment.isoformat(timespec="minutes") + "Z"
    assert instants.instant_text(minute) == moment.isoformat() + "Z"
    for text in (instants.instant_text(minute), instants.short_text(minute)):
        assert instants._usual_instant(text) == minute
