"""From the files of a call to its page."""

from collections.abc import Iterator
from dataclasses import dataclass

from voice_operations.operator_error import OperatorError
from voice_orchestrator.timeline.call_files import CallFiles
from voice_orchestrator.timeline.document import make_document, origin_of
from voice_orchestrator.timeline.page import render_page
from voice_orchestrator.timeline.recorded_sound import SOUND_BYTES_MAX, RecordedSound, read_sound
from voice_orchestrator.timeline.reported_call import ReportedCall, read_report
from voice_orchestrator.timeline.story import CallStory, read_story


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A finished page. `note`: what it lacks and why, empty when nothing."""

    content: bytes
    note: str


def make_page(files: CallFiles, *, to_hear: bool) -> Page:
    """Makes the page of a call, with its sound when `to_hear`; raises OperatorError for files that are broken."""
    story = read_story(files.journal)
    reported = _reported(files, story)
    sound = read_sound(files.recording, to_hear=to_hear) if files.recording is not None else None
    notes = list(_missing(story, reported, sound, to_hear=to_hear))
    document = make_document(story, reported, sound, " ".join(notes))
    page = render_page(document, sound.ogg if sound is not None else None)
    return Page(content=page, note=" ".join(notes))


def _missing(
    story: CallStory, reported: ReportedCall | None, sound: RecordedSound | None, *, to_hear: bool
) -> Iterator[str]:
    """A sentence for everything the page lacks."""
    if sound is None:
        yield "There is no recording of this call in its folder."
    elif not sound.duration_ms:
        yield "The recording of this call is empty."
    elif sound.ogg is None:
        limit = f"compressed it is more than {SOUND_BYTES_MAX >> 20} MB"
        yield f"The sound itself is left out: {limit if to_hear else 'the page was made so'}."
    if sound is not None and origin_of(story, reported) is None:
        yield "No report says where the recording begins: sound and journal may be some milliseconds apart."
    if not story.whole:
        yield "The journal was not closed: the call may have gone on after its last event."


def _reported(files: CallFiles, story: CallStory) -> ReportedCall | None:
    if files.report is None:
        return None
    reported = read_report(files.report)
    if reported.session_id != story.session_id:
        raise OperatorError(f"{files.report}: is of another call than {files.journal.name}")
    return reported
