"""The page's event handlers, the command's options and what is said when the page or its link cannot start."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from page_samples import HOSTILE, PAYLOAD, RICE, TRAIN, SharedWords, article

import app
from qa import answering
from qa.config import Settings, sample_folder
from qa.errors import IndexMissingError, InputError
from qa.output import answer_as_json
from qa.page import handlers, share
from qa.page.conversation import MAX_QUESTION_CHARACTERS, Conversation
from qa.page.examples import Examples, InTurn
from qa.page.handlers import KEEP, Page
from qa.page.strings import ENGLISH, INDONESIAN

QUESTION = "Berapa persen harga beras turun pada Mei?"
PROOF = "JAKARTA - Menteri Perdagangan mengatakan harga beras turun dua persen pada Mei."


@pytest.fixture
def answerer() -> SharedWords:
    return SharedWords([RICE, TRAIN, HOSTILE])


@pytest.fixture
def page(answerer: SharedWords) -> Page:
    return Page(answerer, Examples(lambda language: [f"{language}?"]), threading.Semaphore(1))


def finish(steps: Iterator[tuple[str, Conversation, str, str]]) -> tuple[str, Conversation, str, str]:
    return list(steps)[-1]


def test_a_question_shows_at_once_and_its_answer_with_evidence_afterwards(page: Page) -> None:
    first, second = list(page.ask(f"  {QUESTION} ", Conversation(), "en"))
    box, said, shown, evidence = first
    assert (box, said.pending) == ("", True)
    assert QUESTION in shown
    assert ENGLISH.searching in shown
    assert "t-card" not in evidence
    box, said, shown, evidence = second
    assert said.turns[0].answer is not None
    assert said.turns[0].answer.text == PROOF
    assert f"<mark>{PROOF}</mark>" in evidence
    assert "[1]" in shown


@pytest.mark.parametrize("question", [None, "", "  \n "])
def test_an_empty_question_is_ignored(page: Page, answerer: SharedWords, question: str | None) -> None:
    before = Conversation()
    steps = list(page.ask(question, before, "en"))
    assert len(steps) == 1
    assert steps[0][1] is before
    assert answerer.asked == []


def test_a_question_too_long_is_refused_by_the_server_and_kept_for_shortening(
    page: Page, answerer: SharedWords
) -> None:
    longest = "a" * MAX_QUESTION_CHARACTERS
    finish(page.ask(longest, Conversation(), "en"))
    assert answerer.asked == [longest]
    box, said, shown, _ = finish(page.ask(longest + "a", Conversation(), "id"))
    assert answerer.asked == [longest]
    assert box == longest + "a"
    assert said.turns[-1].status == "failed"
    assert INDONESIAN.too_long.format(length=1001, limit=1000) in shown


def test_page_and_answerer_agree_on_the_longest_question() -> None:
    assert MAX_QUESTION_CHARACTERS == answering.MAX_QUESTION_CHARACTERS


def test_no_second_question_starts_while_one_waits(page: Page, answerer: SharedWords) -> None:
    waiting = Conversation().ask("Satu?")
    steps = list(page.ask("Dua?", waiting, "en"))
    assert [step[0] for step in steps] == ["Dua?"]
    assert steps[0][1] is waiting
    assert answerer.asked == []


def test_a_question_the_answerer_refuses_is_explained(page: Page) -> None:
    _, said, shown, _ = finish(page.ask("?", Conversation(), "en"))
    assert said.turns[0].problem == "This question could not be answered: the question has no words"
    assert said.turns[0].problem in shown


def test_a_failure_is_a_friendly_message_and_a_traceback_in_the_log_only(
    page: Page, answerer: SharedWords, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(question: str, **_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(answerer, "ask", broken)
    _, said, shown, evidence = finish(page.ask(QUESTION, Conversation(), "en"))
    assert said.turns[0].problem == ENGLISH.failed
    assert "secret detail" not in shown + evidence
    assert "secret detail" in caplog.text
    assert page.slot.acquire(blocking=False), "the slot was not given back"


def test_questions_take_turns_at_the_models_and_too_long_a_wait_ends(
    page: Page, answerer: SharedWords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers, "BUSY_SECONDS", 0.05)
    with page.slot:
        _, said, _, _ = finish(page.ask(QUESTION, Conversation(), "id"))
    assert said.turns[0].problem == INDONESIAN.busy
    assert answerer.asked == []
    assert finish(page.ask(QUESTION, Conversation(), "id"))[1].turns[0].status == "answered"


def test_retry_asks_the_last_question_again_in_its_place(page: Page, answerer: SharedWords) -> None:
    _, said, _, _ = finish(page.ask(QUESTION, Conversation(), "en"))
    said = said.ask("Siapa penyanyi Despacito?").stop()
    _, again, _, _ = finish(page.retry(said, "en"))
    assert [turn.question for turn in again.turns] == [QUESTION, "Siapa penyanyi Despacito?"]
    assert answerer.asked[-1] == "Siapa penyanyi Despacito?"
    assert again.turns[-1].status == "answered"
    empty = Conversation()
    assert finish(page.retry(empty, "en"))[1] is empty


def test_a_follow_up_is_asked_as_what_it_stands_for_and_can_be_asked_as_typed(
    page: Page, answerer: SharedWords
) -> None:
    _, said, _, _ = finish(page.ask(QUESTION, Conversation(), "en"))
    _, said, shown, evidence = finish(page.ask("Dan kapan?", said, "en"))
    standing = "Kapan persen harga beras turun pada Mei?"
    assert answerer.asked[-1] == standing
    assert said.turns[-1].question == "Dan kapan?"
    assert ENGLISH.understood in shown
    assert standing in shown
    assert standing in evidence
    _, again, _, _ = finish(page.retry(said, "en"))
    assert answerer.asked[-1] == standing
    _, typed, shown, _ = finish(page.example(again, "en", {"question": "Dan kapan?"}))
    assert answerer.asked[-1] == "Dan kapan?"
    finish(page.retry(typed, "en"))
    assert answerer.asked[-1] == "Dan kapan?"


def test_stop_ends_the_wait_at_once_and_the_late_answer_is_dropped(page: Page, answerer: SharedWords) -> None:
    answerer.hold.clear()
    steps = page.ask(QUESTION, Conversation(), "id")
    _, waiting, _, _ = next(steps)
    said, shown = page.stop(waiting, "id")
    assert list(steps) == [(KEEP,) * 4]
    assert said.turns[0].status == "stopped"
    assert INDONESIAN.stopped in shown
    answerer.hold.set()
    assert page.slot.acquire(timeout=5), "the models were not given back"


def test_a_stopped_question_that_waited_for_the_models_never_reaches_them(
    page: Page, answerer: SharedWords
) -> None:
    with page.slot:
        steps = page.ask(QUESTION, Conversation(), "id")
        _, waiting, _, _ = next(steps)
        waiting.stop()
        assert list(steps) == [(KEEP,) * 4]
        for thread in threading.enumerate():
            if thread.name == "answer":
                thread.join(5)
    assert answerer.asked == []


def test_clear_starts_over_and_drops_a_late_answer(page: Page, answerer: SharedWords) -> None:
    answerer.hold.clear()
    steps = page.ask(QUESTION, Conversation(), "id")
    _, waiting, _, _ = next(steps)
    box, said, shown, evidence = page.clear(waiting, "id")
    assert list(steps) == [(KEEP,) * 4]
    answerer.hold.set()
    assert (box, said.turns) == ("", ())
    assert INDONESIAN.welcome_title in shown
    assert INDONESIAN.evidence_empty in evidence


def test_an_example_is_asked_like_any_question(page: Page, answerer: SharedWords) -> None:
    finish(page.example(Conversation(), "en", {"question": QUESTION}))
    assert answerer.asked == [QUESTION]


@pytest.mark.parametrize(
    "forged", [None, [], "x", {}, {"question": 3, "turn": "1"}, {"question": None, "turn": 99}]
)
def test_forged_event_data_changes_nothing(page: Page, answerer: SharedWords, forged: object) -> None:
    said = Conversation().ask("Satu?").stop()
    assert finish(page.example(said, "en", forged))[1] is said
    assert page.show(said, "en", forged)[0] is said
    assert answerer.asked == []


def test_earlier_evidence_is_shown_on_demand(page: Page) -> None:
    _, said, _, _ = finish(page.ask(QUESTION, Conversation(), "en"))
    _, said, _, evidence = finish(page.ask("Kereta bandara menempuh berapa menit?", said, "en"))
    assert "card-2-1" in evidence
    said, _, evidence = page.show(said, "en", {"turn": 1})
    assert "card-1-1" in evidence
    assert said.shown == 1


def test_head_and_examples_follow_the_language(page: Page) -> None:
    page.examples.find()
    assert "3 artikel" in page.header("id")
    assert "3 articles" in page.header("en")
    assert page.example_buttons("id").index("id?") < page.example_buttons("id").index("en?")


def test_the_page_offers_one_endpoint_records_nothing_and_escapes_its_first_view() -> None:
    # In a process of its own: Gradio leaves an event loop open, which is an error among these tests.
    script = """
import json, app
from page_samples import HOSTILE, PAYLOAD, SharedWords
from qa.page.examples import Examples, InTurn
blocks = app.build_page(SharedWords([HOSTILE]), Examples(lambda language: [PAYLOAD]), language="id")
print(json.dumps({
    "public": [function.api_name for function in blocks.fns.values() if function.api_visibility != "private"],
    "limits": list({function.concurrency_limit for function in blocks.fns.values()}),
    "analytics": blocks.analytics_enabled,
    "html": [block.value for block in blocks.blocks.values() if type(block).__name__ == "HTML"],
}))
"""
    paths = [str(Path(app.__file__).parent), str(Path(__file__).parent)]
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "GRADIO_ANALYTICS_ENABLED": "True"},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stderr
    built = json.loads(done.stdout)
    assert built["public"] == ["ask"]
    assert built["limits"] == [None], (
        "Gradio's own queue would hold a question back where stop cannot reach it"
    )
    assert built["analytics"] is False
    assert any(INDONESIAN.welcome_title in value for value in built["html"])
    assert not any(PAYLOAD in value for value in built["html"])


def test_busy_port_is_one_line_with_the_next_port(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert app.main(["--port", str(port), "--index", str(tmp_path / "none")]) == 1
    printed = capsys.readouterr()
    remedy = f"Port {port} is already in use. Choose another: --port {port + 1}\n"
    assert (printed.out, printed.err) == ("", remedy)


def test_a_host_that_is_not_ours_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["--host", "192.0.2.1", "--port", "7861"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Cannot listen on host 192.0.2.1: ")
    assert error.endswith("Use --host 127.0.0.1\n")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        ["--port", "0"],
        ["--port", "65536"],
        ["--port", "-1"],
        ["--auth", "user"],
        ["--auth", ":x"],
        ["--lang", "fr"],
    ],
)
def test_wrong_usage_exits_with_two(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        app.main(wrong)
    assert stopped.value.code == 2
    assert "usage: tanya serve" in capsys.readouterr().err


def test_a_login_is_split_at_the_first_colon() -> None:
    assert app.parse_arguments(["--auth", "redaksi:a:b"]).auth == ("redaksi", "a:b")


def share_with(monkeypatch: pytest.MonkeyPatch, tunnel: object) -> None:
    from gradio import networking

    monkeypatch.setattr(share, "_check_program", lambda: None)
    monkeypatch.setattr(networking, "setup_tunnel", tunnel)


def test_a_share_link_is_https(monkeypatch: pytest.MonkeyPatch) -> None:
    share_with(monkeypatch, lambda host, port, *rest: f"http://abc.example/{host}/{port}")
    assert share.open_share_link(7860, "token") == "https://abc.example/127.0.0.1/7860"


def test_a_failed_share_link_names_its_cause_and_prints_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*arguments: object) -> str:
        print("tunnel log")
        try:
            raise ValueError("no such tunnel")
        except ValueError as error:
            raise RuntimeError("Could not get share link.\nmore") from error

    share_with(monkeypatch, fails)
    with pytest.raises(share.ShareError) as caught:
        share.open_share_link(7860, "token")
    assert str(caught.value) == "Could not get share link. no such tunnel"
    assert capsys.readouterr() == ("", "")


def test_without_internet_the_cause_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*arguments: object) -> str:
        raise RuntimeError("x") from socket.gaierror(-2, "Name or service not known")

    share_with(monkeypatch, offline)
    with pytest.raises(
        share.ShareError, match=r"^the link service cannot be reached \(Name or service not known\)$"
    ):
        share.open_share_link(7860, "token")


def test_a_silent_tunnel_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def silent(*arguments: object) -> str:
        release.wait(10)
        return "late"

    share_with(monkeypatch, silent)
    with pytest.raises(share.ShareError, match="did not answer within 0 seconds"):
        share.open_share_link(7860, "token", seconds=0.05)
    release.set()


def test_a_tunnel_program_with_a_wrong_checksum_is_deleted_and_never_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from gradio import networking, tunneling

    program = tmp_path / "frpc"
    program.write_bytes(b"not what it should be")
    monkeypatch.setattr(tunneling, "BINARY_PATH", str(program))
    monkeypatch.setattr(tunneling, "BINARY_URL", next(iter(tunneling.CHECKSUMS)))
    monkeypatch.setattr(networking, "setup_tunnel", lambda *arguments: pytest.fail("it was run"))
    with pytest.raises(share.ShareError, match="wrong checksum"):
        share.open_share_link(7860, "token")
    assert not program.exists()


def test_a_failed_link_is_one_line_with_the_local_network_instead(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(port: int, token: str) -> str:
        raise share.ShareError("no internet")

    monkeypatch.setattr(app, "open_share_link", fails)
    monkeypatch.setattr(app, "local_network_address", lambda: "192.168.0.7")
    app.share(app.parse_arguments(["--share", "--port", "7900"]), "token")
    app.share(app.parse_arguments(["--share", "--port", "7900", "--host", "0.0.0.0"]), "token")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "No public link: no internet. The page stays open here; for your network, run "
        "tanya serve --host 0.0.0.0 --port 7900 and open http://192.168.0.7:7900/",
        "No public link: no internet. The page stays open here; on your network it is open at "
        "http://192.168.0.7:7900/",
    ]


def test_a_missing_index_that_was_named_is_an_error_with_the_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    missing = tmp_path / "none"
    with pytest.raises(IndexMissingError) as caught:
        app.open_answerer(Settings.read(index=missing))
    assert (
        str(caught.value)
        == f"There is no index in {missing}. Make one with: tanya index PATH --index {missing}"
    )
    assert not missing.exists()


def test_examples_appear_for_both_languages_and_an_unusable_archive_has_none() -> None:
    examples = Examples(lambda language: [f"{language}{n}" for n in range(9)])
    examples.find()
    assert examples.wait("id") == ["id0", "id1", "id2", "id3", "en0"]

    def unusable(language: str) -> list[str]:
        raise InputError("no")

    none = Examples(unusable)
    none.find()
    assert none.wait("en", seconds=0) == []


def test_examples_take_turns_with_readers_questions(answerer: SharedWords) -> None:
    slot = threading.Semaphore(1)
    patient = InTurn(answerer, slot)
    asking = threading.Thread(target=patient.ask, args=(QUESTION,))
    with slot:
        asking.start()
        asking.join(0.1)
        assert answerer.asked == []
    asking.join(5)
    assert answerer.asked == [QUESTION]
    assert patient.index is answerer.index


def test_examples_of_the_sample_come_from_its_question_set_and_others_from_their_articles(
    answerer: SharedWords,
) -> None:
    questions = sample_folder() / "questions.jsonl"
    assert questions.is_file()
    quoting = article(
        "Harga beras turun, kata Redaksi Contoh di BPS Jakarta. Redaksi Contoh mengutip BPS tentang beras.",
        path="x.txt",
    )
    examples = Examples.for_archive(SharedWords([quoting, TRAIN]), questions)
    examples.find()
    assert examples.wait("id") == [
        "Apa kata Redaksi Contoh tentang BPS?",
        "What did Redaksi Contoh say about BPS?",
    ]


PROGRAM = """
import json, sys, threading
from gradio_client import Client
from page_samples import RICE, SharedWords
import app
from qa.page.examples import Examples

port, question = int(sys.argv[1]), sys.argv[2]
blocks = app.build_page(SharedWords([RICE]), Examples(lambda language: []))
app.launch(blocks, host="127.0.0.1", port=port, auth=("redaksi", "rahasia"))
url, said = f"http://127.0.0.1:{port}/", {}
try:
    Client(url, verbose=False)
except Exception as error:
    said["without login"] = str(error)
client = Client(url, auth=("redaksi", "rahasia"), verbose=False)
said["endpoints"] = client.view_api(return_format="dict")
said["answer"] = client.predict(question, api_name="/ask")
try:
    client.predict("?", api_name="/ask")
except Exception as error:
    said["error"] = str(error)
said["filtered"] = client.predict(question, sources=["Lain"], api_name="/ask")
try:
    client.predict(question, date_from="kemarin", api_name="/ask")
except Exception as error:
    said["no date"] = str(error)
print(json.dumps(said))
"""


def test_programs_ask_through_one_endpoint_and_get_the_commands_json() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    root = Path(app.__file__).parent
    # Gradio leaves sockets open, so it has a process of its own.
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(port), QUESTION],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(root), str(root / "tests")))},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert "login" in said["without login"].lower() or "auth" in said["without login"].lower()
    assert list(said["endpoints"]["named_endpoints"]) == ["/ask"]
    assert not said["endpoints"]["unnamed_endpoints"]
    wanted = json.loads(json.dumps(answer_as_json(SharedWords([RICE]).ask(QUESTION))))
    assert json.loads(said["answer"]) == wanted
    assert wanted["citations"][0]["quote"] == PROOF
    assert said["error"] == "the question has no words"
    assert json.loads(said["filtered"])["abstained"]
    assert said["no date"] == "'kemarin' is no date. Write it as 2023-05-19"
