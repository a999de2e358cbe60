"""The chat page: a Gradio page around a ``QuestionAnswerer``; ``python app.py`` is ``tanya serve``.

Knows Gradio, the command's options and what to say when the page cannot start. What the page says, how it is
marked up, what its events do and how a link is shared is in ``qa.page``.
"""

from __future__ import annotations

import argparse
import errno
import json
import logging
import os
import secrets
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embeddings.errors import EmbeddingError
from qa.config import Settings, sample_folder
from qa.errors import IndexMissingError, InputError, TanyaError
from qa.page import conversation as talk
from qa.page.examples import Examples
from qa.page.handlers import Change, Page, PageAnswerer
from qa.page.share import ShareError, local_network_address, open_share_link
from qa.page.strings import strings_for
from qa.types import Language

if TYPE_CHECKING:
    import gradio as gr

    from qa.answering import QuestionAnswerer

PAGE_FILES = Path(talk.__file__).parent
MAX_WAITING = 64
MAX_SESSIONS = 500
SESSION_SECONDS = 12 * 3600

# Before anything of the page is drawn the browser chooses: what was chosen last time, else its own language.
CHOOSE_LANGUAGE = """(current) => {
  const kept = localStorage.getItem("tanya-language");
  const wanted = kept || %s || (/^(id|in|ms)\\b/i.test(navigator.language) ? "id" : "en");
  document.documentElement.lang = wanted;
  return [wanted];
}"""
KEEP_LANGUAGE = """(chosen, turns) => {
  localStorage.setItem("tanya-language", chosen);
  document.documentElement.lang = chosen;
  return [chosen, turns];
}"""


def build_page(
    answerer: PageAnswerer,
    examples: Examples,
    *,
    language: Language | None = None,
    slot: threading.Semaphore | None = None,
) -> gr.Blocks:
    """Build the page.

    Args:
        answerer: answers the questions.
        examples: the questions offered, which may still be on their way.
        language: the page's at first; ``None`` leaves the choice to the browser.
        slot: held while a model works; pass the one that others of the process use.
    """
    import gradio as gr
    from gradio.events import api as endpoint

    page = Page(answerer, examples, slot or threading.Semaphore(1))
    choose_language = CHOOSE_LANGUAGE % json.dumps(language)
    language = language or "en"
    words = strings_for(language)
    # Questions wait for the slot above, where the wait can be ended with words, not in Gradio's own queue.
    private: dict[str, Any] = {
        "api_visibility": "private",
        "show_progress": "hidden",
        "concurrency_limit": None,
    }
    plain: dict[str, Any] = {"apply_default_css": False, "js_on_load": None, "padding": False}
    with gr.Blocks(title="Tanya", analytics_enabled=False, fill_width=True) as blocks:
        said = gr.State(talk.Conversation(), time_to_live=SESSION_SECONDS)
        with gr.Row(elem_id="t-head"):
            header = gr.HTML(page.header(language), **plain)
            switch = gr.Radio(
                [("English", "en"), ("Indonesia", "id")],
                value=language,
                label=words.language_label,
                show_label=False,
                container=False,
                elem_id="t-language",
            )
        with gr.Row(elem_id="t-columns"):
            with gr.Column(elem_id="t-left"):
                behaviour = (PAGE_FILES / "page.js").read_text(encoding="utf-8")
                conversation = gr.HTML(
                    talk.conversation_panel(talk.Conversation(), language),
                    elem_id="t-conversation",
                    **{**plain, "js_on_load": behaviour},
                )
                offered = gr.HTML("", elem_id="t-examples", **plain)
                with gr.Column(elem_id="t-foot"):
                    filters = gr.HTML(
                        page.filters(talk.Conversation(), language), elem_id="t-filters", **plain
                    )
                    with gr.Row(elem_id="t-compose"):
                        box = gr.Textbox(
                            placeholder=words.question_placeholder,
                            label=words.question_label,
                            show_label=False,
                            container=False,
                            lines=1,
                            max_lines=6,
                            max_length=talk.MAX_QUESTION_CHARACTERS,
                            autofocus=True,
                            elem_id="t-question",
                        )
                        ask = gr.Button(words.ask, elem_id="t-ask", elem_classes="t-main")
                        stop = gr.Button(words.stop, elem_id="t-stop", elem_classes="t-main")
                    with gr.Row(elem_id="t-tools"):
                        retry = gr.Button(words.retry, elem_id="t-retry")
                        clear = gr.Button(words.clear, elem_id="t-clear")
            with gr.Column(elem_id="t-right"):
                evidence = gr.HTML(talk.evidence_of(talk.Conversation(), language), **plain)

        def on_example(current: talk.Conversation, chosen: Language, event: Any) -> Iterator[Change]:
            yield from page.example(current, chosen, event._data)

        def on_filter(
            current: talk.Conversation, chosen: Language, event: Any
        ) -> tuple[talk.Conversation, str]:
            return page.filter(current, chosen, event._data)

        def on_unfilter(
            current: talk.Conversation, chosen: Language, event: Any
        ) -> tuple[talk.Conversation, str]:
            return page.unfilter(current, chosen, event._data)

        def on_show(
            current: talk.Conversation, chosen: Language, event: Any
        ) -> tuple[talk.Conversation, str, str]:
            return page.show(current, chosen, event._data)

        def ask_endpoint(
            question: str, date_from: str = "", date_to: str = "", sources: list[str] | None = None
        ) -> str:
            try:
                return page.ask_for_program(question, date_from, date_to, sources or [])
            except (TanyaError, EmbeddingError) as error:
                # Only this error reaches the caller with its words.
                raise gr.Error(str(error), print_exception=False) from error

        # Gradio passes what the browser sent to the parameter that is annotated so, and reads annotations at
        # run time, where the name of a local import means nothing.
        for takes_event in (on_example, on_show, on_filter, on_unfilter):
            takes_event.__annotations__["event"] = gr.EventData

        def on_language(chosen: Language, current: talk.Conversation) -> tuple[Any, ...]:
            new = strings_for(chosen)
            labels = (gr.update(value=text) for text in (new.ask, new.stop, new.retry, new.clear))
            return (
                gr.update(value=chosen, label=new.language_label),
                page.header(chosen),
                *page.panels(current, chosen),
                page.filters(current, chosen),
                gr.update(placeholder=new.question_placeholder, label=new.question_label),
                *labels,
            )

        # As above: names of local imports and future annotations are resolved at run time.
        ask_endpoint.__annotations__.update(
            question=str, date_from=str, date_to=str, sources=list[str], **{"return": str}
        )
        endpoint(
            ask_endpoint,
            api_name="ask",
            api_description=(
                "Answer a question, from articles of these dates (ISO, inclusive) and outlets alone if any are given; "
                "returns, as a string, what `tanya ask --json` prints."
            ),
            concurrency_limit=None,
        )
        everything = [box, said, conversation, evidence]
        gr.on([box.submit, ask.click], page.ask, [box, said, switch], everything, **private)
        conversation.example_select(on_example, [said, switch], everything, **private)
        retry.click(page.retry, [said, switch], everything, **private)
        # Not Gradio's own cancelling: it holds the next question back until the model is done with this one.
        # And past the queue: its event stream closes with the last answer, and may take a later event's with it.
        at_once = {**private, "queue": False}
        stop.click(page.stop, [said, switch], [said, conversation], **at_once)
        clear.click(page.clear, [said, switch], everything, **at_once)
        conversation.select(on_show, [said, switch], [said, conversation, evidence], **at_once)
        conversation.apply(on_filter, [said, switch], [said, filters], **at_once)
        conversation.delete(on_unfilter, [said, switch], [said, filters], **at_once)
        worded = [switch, header, conversation, evidence, filters, box, ask, stop, retry, clear]
        switch.input(on_language, [switch, said], worded, js=KEEP_LANGUAGE, **at_once).then(
            page.example_buttons, [switch], [offered], **private
        )
        blocks.load(on_language, [switch, said], worded, js=choose_language, **at_once).then(
            page.example_buttons, [switch], [offered], **private
        )
    return blocks


def theme() -> Any:
    """The little of the look that Gradio must know itself; the rest is ``qa/page/style.css``."""
    import gradio as gr
    from gradio.themes.utils.fonts import Font

    look = gr.themes.Base(
        primary_hue="teal",
        neutral_hue="stone",
        font=[Font(name) for name in ("Segoe UI", "Roboto", "Helvetica Neue", "Noto Sans", "sans-serif")],
        font_mono=[Font("monospace")],
    )
    return look.set(
        body_background_fill="#f7f5f0",
        body_background_fill_dark="#141918",
        body_text_color="#1d2524",
        body_text_color_dark="#e8ebe8",
    )


def launch(blocks: gr.Blocks, *, host: str, port: int, auth: tuple[str, str] | None) -> None:
    """Start serving the page in the background.

    Raises:
        InputError: nothing can listen there, with the remedy.
    """
    check_address(host, port)
    # A proxy for the outside world must not catch the page's own start-up requests.
    for variable in ("NO_PROXY", "no_proxy"):
        known = os.environ.get(variable)
        os.environ[variable] = ",".join(filter(None, (known, "localhost", "127.0.0.1", host)))
    blocks.queue(api_open=False, max_size=MAX_WAITING)
    try:
        blocks.launch(
            server_name=host,
            server_port=port,
            auth=auth,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            inbrowser=False,
            show_error=False,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            max_file_size="1kb",
            state_session_capacity=MAX_SESSIONS,
            favicon_path=PAGE_FILES / "favicon.svg",
            theme=theme(),
            css_paths=PAGE_FILES / "style.css",
        )
    except (OSError, ValueError) as error:
        raise InputError(f"The page could not be started on {host}:{port}: {error}") from error


def check_address(host: str, port: int) -> None:
    """See that the page can listen there, before anything slow is started.

    Raises:
        InputError: it cannot; the message names the remedy.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            if os.name != "nt":
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            remedy = f"--port {port + 1 if port < 65535 else port - 1}"
            raise InputError(f"Port {port} is already in use. Choose another: {remedy}") from error
        if error.errno == errno.EACCES:
            raise InputError(f"Port {port} needs administrator rights. Choose one above 1023.") from error
        raise InputError(f"Cannot listen on host {host}: {error.strerror}. Use --host 127.0.0.1") from error


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the options of ``tanya serve``; wrong usage exits with 2."""
    parser = argparse.ArgumentParser(
        prog="tanya serve", description="Open the chat page over an index, in the browser."
    )
    parser.add_argument(
        "--index", type=Path, metavar="DIR", help="the index (default: $TANYA_INDEX, else .tanya/default)"
    )
    parser.add_argument(
        "--model", metavar="NAME", help="the model that the index was made with, if not the default"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0 for the local network (default: %(default)s)",
    )
    parser.add_argument(
        "--port", type=port_number, default=7860, metavar="N", help="port to listen on (default: %(default)s)"
    )
    parser.add_argument("--share", action="store_true", help="also make a public link, with a login")
    parser.add_argument("--auth", type=user_and_password, metavar="USER:PASSWORD", help="ask for this login")
    parser.add_argument(
        "--lang", choices=("en", "id"), help="language of the page at first (default: the browser's)"
    )
    return parser.parse_args(argv)


def port_number(text: str) -> int:
    """Read a port, 1 to 65535."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port (1 to 65535)")
    return int(text)


def user_and_password(text: str) -> tuple[str, str]:
    """Read a login, split at the first colon."""
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise argparse.ArgumentTypeError("a login is written USER:PASSWORD")
    return user, password


def open_answerer(settings: Settings) -> QuestionAnswerer:
    """Open the index; without one named and none there, index the bundled sample first.

    Raises:
        TanyaError: the index named is missing, or one is there and cannot be used.
        EmbeddingError: the model cannot be used.
    """
    from embeddings.encoder import SentenceEncoder
    from qa.answering import QuestionAnswerer
    from qa.ingest import index_paths

    folder, model = settings.index, settings.model
    try:
        return QuestionAnswerer.open(folder, model=model)
    except IndexMissingError:
        if settings.index_was_named:
            raise IndexMissingError(
                f"There is no index in {folder}. Make one with: tanya index PATH --index {folder}"
            ) from None
    print(f"There is no index in {folder} yet; indexing the bundled sample.", flush=True)
    index_paths([sample_folder()], folder, SentenceEncoder.load(model), model=model)
    return QuestionAnswerer.open(folder, model=model)


def serve(args: argparse.Namespace) -> int:
    """Open the page and keep it open until Ctrl-C."""
    check_address(args.host, args.port)
    answerer = open_answerer(Settings.read(index=args.index, model=args.model))
    slot = threading.Semaphore(1)
    examples = Examples.for_archive(answerer, sample_folder() / "questions.jsonl", slot)
    examples.start(args.lang or "en")
    auth = args.auth
    if args.share and auth is None:
        # A public address without a login would open the archive to whoever finds it.
        auth = ("tanya", secrets.token_urlsafe(9))
        print(f"Login for the public link: user {auth[0]}, password {auth[1]}", flush=True)
    blocks = build_page(answerer, examples, language=args.lang, slot=slot)
    launch(blocks, host=args.host, port=args.port, auth=auth)
    shown = "localhost" if args.host in ("0.0.0.0", "::") else args.host  # noqa: S104
    print(f"Tanya is open at http://{shown}:{args.port}/ (Ctrl-C ends it)", flush=True)
    if args.share:
        share(args, blocks.share_token)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        print("Closed.", flush=True)
    finally:
        blocks.close(verbose=False)
    return 0


def share(args: argparse.Namespace, token: str) -> None:
    """Print a public link, or why there is none and what to do instead; the page stays open either way."""
    try:
        print(f"Public link, for up to a week: {open_share_link(args.port, token)}", flush=True)
    except ShareError as error:
        address = f"http://{local_network_address() or 'ADDRESS-OF-THIS-MACHINE'}:{args.port}/"
        if args.host == "0.0.0.0":  # noqa: S104
            instead = f"on your network it is open at {address}"
        else:
            instead = (
                f"for your network, run tanya serve --host 0.0.0.0 --port {args.port} and open {address}"
            )
        print(f"No public link: {error}. The page stays open here; {instead}", file=sys.stderr, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``tanya serve``: 0 when closed, 1 for a reported error, 2 for wrong usage."""
    args = parse_arguments(argv)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    try:
        return serve(args)
    except (TanyaError, EmbeddingError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
