"""Calendars in the iCalendar format, as texts."""

from __future__ import annotations


def calendar(*events: str) -> bytes:
    """A calendar of events, each with its properties in lines."""
    wrapped = (f"BEGIN:VEVENT\nUID:{n}\n{event}\nEND:VEVENT\n" for n, event in enumerate(events))
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//test//EN\n{''.join(wrapped)}END:VCALENDAR\n"
    return text.replace("\n", "\r\n").encode()


ANA = "SUMMARY:Ana\nDTSTART:20260302T080000Z\nDTEND:20260302T200000Z"
BEN = "SUMMARY:Ben\nDTSTART:20260302T080000Z\nDTEND:20260302T200000Z"
