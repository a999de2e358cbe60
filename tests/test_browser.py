"""The page in a real browser: what a reader sees, and what an article cannot do to the page."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from page_samples import HOSTILE, PAYLOAD, RICE

from qa.page.strings import ENGLISH, INDONESIAN

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

ROOT = Path(__file__).parent.parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMEDRIVER = shutil.which("chromedriver")
MISSION = "Who mediated the Armenia–Azerbaijan talks?"

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or CHROMEDRIVER is None, reason="needs chromium and chromedriver on the PATH"
)

HOSTILE_NAME = '"><img src=x onerror=window.__pwned=7>.txt'
HOSTILE_PAGE = f"""Judul {PAYLOAD}

Contoh - Jumat, 19 Mei 2023

BANDUNG, CONTOH - Papan pengumuman kantor Redaksi Contoh di Bandung memuat tulisan {PAYLOAD} dan \
<script>window.__pwned=2</script> sejak Senin, kata petugas keamanan.

Petugas menyebut tulisan itu dibuat dengan spidol oleh pengunjung yang belum dikenal.
"""

STAND_IN = """
import sys, threading, app
from page_samples import HOSTILE, RICE, TRAIN, SharedWords
from qa.page.examples import Examples
class Slow(SharedWords):
    def ask(self, question, *, filters=None):
        if "lambat" in question:
            threading.Event().wait(6)
        return super().ask(question, filters=filters)
examples = Examples({"en": ["Which harga beras turun?"], "id": ["Berapa harga beras turun?"]}.__getitem__)
examples.find()
blocks = app.build_page(Slow([RICE, TRAIN, HOSTILE]), examples)
app.launch(blocks, host="127.0.0.1", port=int(sys.argv[1]), auth=None)
threading.Event().wait()
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def serve(command: list[str], port: int, log: Path) -> Iterator[str]:
    """Run a server until the tests are done; its log is shown when it does not come up."""
    paths = os.pathsep.join((str(ROOT), str(ROOT / "tests")))
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=log.parent, env={**os.environ, "PYTHONPATH": paths}, stdout=output, stderr=output
        )
    try:
        url = f"http://127.0.0.1:{port}/"
        deadline = time.monotonic() + 120
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"The page did not come up:\n{log.read_text()}")
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The real page over the bundled sample and one hostile file, indexed by the real command."""
    folder = tmp_path_factory.mktemp("archive")
    files = folder / "files"
    shutil.copytree(ROOT / "corpus", files)
    (files / HOSTILE_NAME).write_text(HOSTILE_PAGE, encoding="utf-8")
    index = folder / "index"
    made = subprocess.run(
        [sys.executable, "-m", "qa", "index", str(files), "--index", str(index)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert made.returncode == 0, made.stderr
    port = free_port()
    command = [sys.executable, str(ROOT / "app.py"), "--index", str(index), "--port", str(port)]
    yield from serve(command, port, folder / "serve.log")


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The page around an answerer that can be slow and knows three articles, one of them hostile."""
    port = free_port()
    command = [sys.executable, "-c", STAND_IN, str(port)]
    yield from serve(command, port, tmp_path_factory.mktemp("stand-in") / "serve.log")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-quic",
        "no-first-run",
        "disable-dev-shm-usage",
        "disable-background-networking",
        "disable-component-update",
        "disable-sync",
        f"user-data-dir={tmp_path_factory.mktemp('profile')}",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(CHROMEDRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


class Reader:
    """Someone at the page: opens it, asks, waits for what should appear."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(
        self, *, width: int = 1280, height: int = 800, dark: bool = False, language: str = "en-US"
    ) -> Reader:
        send = self.driver.execute_cdp_cmd
        phone = width < 600
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone}
        send("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        send(
            "Emulation.setEmulatedMedia",
            {"features": [scheme, {"name": "prefers-reduced-motion", "value": "reduce"}]},
        )
        agent = self.driver.execute_script("return navigator.userAgent")
        send("Emulation.setUserAgentOverride", {"userAgent": agent, "acceptLanguage": language})
        send("Storage.clearDataForOrigin", {"origin": self.url.rstrip("/"), "storageTypes": "local_storage"})
        self.driver.get(self.url)
        # The place of the examples is the last thing to arrive, whether or not there are any.
        self.until("return document.querySelector('.t-examples')", seconds=60)
        return self

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def until(self, script: str, *arguments: object, seconds: float = 30) -> Any:
        """Wait until a script returns something true, and return that."""
        deadline = time.monotonic() + seconds
        while not (value := self.run(script, *arguments)):
            assert time.monotonic() < deadline, f"in vain: {script}\n{self.text('body')}"
            time.sleep(0.05)
        return value

    def text(self, selector: str) -> str:
        """The text a selector's first element holds, hidden parts included."""
        return str(self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector))

    def click(self, selector: str) -> None:
        from selenium.webdriver.common.by import By

        self.until("return !!document.querySelector(arguments[0])", selector)
        self.run("document.querySelector(arguments[0]).scrollIntoView({ block: 'center' })", selector)
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def type(self, question: str) -> None:
        from selenium.webdriver.common.by import By
        from selenium.webdriver.common.keys import Keys

        box = self.driver.find_element(By.CSS_SELECTOR, "#t-question textarea")
        written = box.get_attribute("value") + question
        box.send_keys(question)
        self.until("return document.querySelector('#t-question textarea').value === arguments[0]", written)
        box.send_keys(Keys.ENTER)

    def ask(self, question: str) -> None:
        """Ask, and wait for the answer and its evidence."""
        self.type(question)
        self.settled(question)

    def settled(self, question: str) -> None:
        self.until(
            """const turns = document.querySelectorAll('.t-turn'), last = turns[turns.length - 1];
            return last?.dataset.status === 'answered' && last.textContent.includes(arguments[0])
              && document.querySelector('.t-asked')?.textContent.includes(arguments[0])""",
            question,
        )


@pytest.fixture
def at_archive(browser: Chrome, archive: str) -> Reader:
    return Reader(browser, archive)


@pytest.fixture
def at_stand_in(browser: Chrome, stand_in: str) -> Reader:
    return Reader(browser, stand_in)


def in_view(reader: Reader, selector: str) -> bool:
    return bool(
        reader.until(
            """const box = document.querySelector(arguments[0])?.getBoundingClientRect();
            return box && box.height > 0 && box.top >= 0 && box.bottom <= innerHeight""",
            selector,
        )
    )


def test_the_missions_question_shows_its_highlighted_quote_and_the_article(at_archive: Reader) -> None:
    reader = at_archive.open()
    reader.ask(MISSION)
    marked = reader.text(".t-card .t-passage mark")
    assert "Rusia" in marked or "Lavrov" in marked
    said, _, markers = reader.text(".t-answer").partition("[")
    assert said.strip() in marked
    assert markers.startswith("1]")
    assert reader.text(".t-sureness")
    assert "19 May 2023, worked out" in reader.text(".t-dates")
    assert reader.text(".t-card h3") == "Rusia Tengahi Perundingan Armenia dan Azerbaijan di Moskow"
    assert "Contoh" in reader.text(".t-card .t-meta")
    assert "19 May 2023" in reader.text(".t-card .t-meta")
    assert "Contoh, 19 May 2023" in reader.text(".t-sources")
    assert in_view(reader, ".t-card .t-passage mark")
    reader.click(".t-read")
    assert in_view(reader, ".t-article:popover-open mark")
    assert marked in reader.text(".t-article:popover-open mark[tabindex]")
    reader.click(".t-article:popover-open .t-close")
    reader.until("return !document.querySelector('.t-article:popover-open')")


def test_the_examples_of_the_sample_are_answered(at_archive: Reader) -> None:
    reader = at_archive.open()
    question = reader.text(".t-examples button")
    reader.click(".t-examples button")
    reader.settled(question)
    assert reader.text(".t-passage mark")


def test_a_refusal_is_honest_in_the_questions_language(at_archive: Reader) -> None:
    reader = at_archive.open()
    reader.ask("Bagaimana cara memasak rendang jengkol?")
    assert reader.text(".t-refusal") == INDONESIAN.refused
    assert reader.text(".t-evidence h2") == ENGLISH.nearest
    assert reader.run("return document.querySelectorAll('.t-card mark').length") == reader.run(
        "return document.querySelectorAll('.t-article mark').length"
    )


def test_scripts_in_title_body_and_file_name_stay_text_in_the_real_page(at_archive: Reader) -> None:
    reader = at_archive.open()
    reader.ask("Apa tulisan pada papan pengumuman kantor Redaksi Contoh di Bandung?")
    assert_harmless(reader)
    shown = reader.text("#t-right")
    for part in (
        f"Judul {PAYLOAD}",
        f"memuat tulisan {PAYLOAD} dan <script>window.__pwned=2</script>",
        HOSTILE_NAME,
    ):
        assert part in shown


def test_scripts_and_markup_of_any_kind_stay_text(at_stand_in: Reader) -> None:
    reader = at_stand_in.open()
    reader.ask("Apa yang ditulis wartawan pada papan pengumuman kantor? <img src=x onerror=window.__pwned=8>")
    assert_harmless(reader)
    evidence = reader.text("#t-right")
    for part in (HOSTILE.title, HOSTILE.source, HOSTILE.place, HOSTILE.path, *HOSTILE.text.split("\n")):
        assert str(part) in evidence
    first_line = HOSTILE.text.split("\n")[0]
    assert reader.text(".t-answer") == f"{first_line}[1]"
    assert "<img src=x onerror=window.__pwned=8>" in reader.text(".t-question")
    reader.click(".t-read")
    assert in_view(reader, ".t-article:popover-open mark")
    assert_harmless(reader)


def assert_harmless(reader: Reader) -> None:
    time.sleep(0.3)  # An image that should not be there would need a moment to fail and run its handler.
    assert reader.run("return window.__pwned === undefined")
    forbidden = (
        "img, script, iframe, svg, b, i, form, object, style, [onerror], [onmouseover], .mermaid, .katex"
    )
    for panel in ("#t-conversation", "#t-right", "#t-examples"):
        assert (
            reader.run(
                "return document.querySelector(arguments[0]).querySelectorAll(arguments[1]).length",
                panel,
                forbidden,
            )
            == 0
        )
    assert reader.run("return [...document.links].every(link => /^https?:/.test(link.href))")


@pytest.mark.parametrize(("width", "height"), [(390, 844), (320, 568), (768, 1024), (1280, 800)])
def test_no_width_scrolls_sideways_and_the_question_stays_in_reach(
    at_stand_in: Reader, width: int, height: int
) -> None:
    reader = at_stand_in.open(width=width, height=height)
    assert in_view(reader, "#t-question textarea")
    reader.ask("Apa yang ditulis wartawan pada papan pengumuman kantor?")
    assert reader.run("return document.documentElement.scrollWidth <= innerWidth")
    assert in_view(reader, "#t-question textarea")
    assert in_view(reader, ".t-answer")


def test_light_and_dark_are_both_readable(at_stand_in: Reader) -> None:
    for dark in (False, True):
        reader = at_stand_in.open(dark=dark)
        reader.ask("Berapa persen harga beras turun?")
        for selector in (
            ".t-passage",
            ".t-passage mark",
            ".t-answer",
            ".t-meta",
            ".t-question",
            "#t-ask",
            ".t-cite",
        ):
            assert contrast(reader, selector) >= 4.5, (selector, dark)
        background = reader.run("return getComputedStyle(document.querySelector('.t-card')).backgroundColor")
        assert (luminance(background) < 0.1) == dark


def luminance(colour: str) -> float:
    """WCAG relative luminance, 0 to 1, of a computed ``rgb(…)``."""
    channels = [float(part) / 255 for part in colour.partition("(")[2].rstrip(")").split(",")[:3]]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(reader: Reader, selector: str) -> float:
    """WCAG contrast ratio of an element's text on the nearest opaque background behind it."""
    text, ground = reader.run(
        """let node = document.querySelector(arguments[0]); const text = getComputedStyle(node).color;
        const opaque = c => /^rgb\\(/.test(c);
        while (node && !opaque(getComputedStyle(node).backgroundColor)) node = node.parentElement;
        return [text, getComputedStyle(node).backgroundColor];""",
        selector,
    )
    light, dark = sorted((luminance(text), luminance(ground)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_page_speaks_the_browsers_language_and_switches_and_remembers(at_stand_in: Reader) -> None:
    reader = at_stand_in.open(language="id-ID")
    reader.until("return document.documentElement.lang === 'id'")
    assert reader.text(".t-welcome h2") == INDONESIAN.welcome_title
    assert reader.text("#t-ask").strip() == INDONESIAN.ask
    assert reader.text(".t-examples button") == "Berapa harga beras turun?"
    reader.ask("Berapa persen harga beras turun?")
    assert reader.text(".t-evidence h2") == INDONESIAN.evidence
    assert "19 Mei 2023" in reader.text(".t-meta")
    reader.click("#t-language label:first-of-type")
    reader.until(
        "return document.querySelector('.t-evidence h2').textContent === arguments[0]", ENGLISH.evidence
    )
    assert reader.text("#t-ask").strip() == ENGLISH.ask
    assert "19 May 2023" in reader.text(".t-meta")
    assert RICE.text.split("\n")[0] in reader.text(".t-answer")
    reader.driver.refresh()
    reader.until(
        "return document.querySelector('.t-welcome h2')?.textContent === arguments[0]", ENGLISH.welcome_title
    )


def test_stop_ends_the_wait_and_the_next_question_is_answered(at_stand_in: Reader) -> None:
    reader = at_stand_in.open()
    reader.type("Jawab lambat: berapa persen harga beras turun?")
    reader.until("return document.querySelector('[data-status=pending]')")
    assert ENGLISH.searching in reader.text(".t-reply")
    reader.click("#t-stop")
    reader.until("return document.querySelector('[data-status=stopped]')", seconds=4)
    assert ENGLISH.stopped in reader.text(".t-reply")
    reader.ask("Berapa persen harga beras turun?")
    statuses = reader.run("return [...document.querySelectorAll('.t-turn')].map(turn => turn.dataset.status)")
    assert statuses == ["stopped", "answered"]


def test_a_follow_up_is_shown_as_understood_and_can_be_changed(at_stand_in: Reader) -> None:
    reader = at_stand_in.open(width=390, height=800)
    reader.ask("Berapa persen harga beras turun?")
    reader.type("Dan kapan?")
    standing = "Kapan persen harga beras turun?"
    reader.settled(standing)
    assert standing in reader.text(".t-understood")
    assert reader.run("return document.documentElement.scrollWidth <= innerWidth")
    reader.click("[data-edit]")
    reader.until("return document.querySelector('#t-question textarea').value === arguments[0]", standing)
    assert reader.run("return document.activeElement.matches('#t-question textarea')")
    reader.type(" Beras?")
    reader.settled(f"{standing} Beras?")
    reader.click(".t-understood [data-question]")
    reader.until("return document.querySelectorAll('.t-turn').length === 4")
    reader.settled("Dan kapan?")


def test_retry_earlier_evidence_and_clear(at_stand_in: Reader) -> None:
    reader = at_stand_in.open()
    reader.ask("Berapa persen harga beras turun?")
    reader.ask("Berapa menit kereta bandara menempuh jarak?")
    assert reader.text(".t-card h3") == "bandara.txt"
    reader.click(".t-turn:first-child .t-cite")
    reader.until("return document.querySelector('.t-card h3').textContent === arguments[0]", RICE.title)
    reader.click("#t-retry")
    reader.until("return document.querySelector('.t-card h3').textContent === 'bandara.txt'")
    assert reader.run("return document.querySelectorAll('.t-turn').length") == 2
    reader.click("#t-clear")
    reader.until("return document.querySelector('.t-welcome') && !document.querySelector('.t-turn')")
    assert reader.text(".t-evidence") == ENGLISH.evidence + ENGLISH.evidence_empty


def test_copy_puts_answer_and_source_on_the_clipboard(at_stand_in: Reader) -> None:
    reader = at_stand_in.open()
    permissions = {
        "origin": reader.url.rstrip("/"),
        "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"],
    }
    reader.driver.execute_cdp_cmd("Browser.grantPermissions", permissions)
    reader.ask("Berapa persen harga beras turun?")
    reader.click("[data-copy]")
    reader.until("return document.querySelector('[data-copy]').textContent === arguments[0]", ENGLISH.copied)
    copied = reader.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied == f"{RICE.text.splitlines()[0]} [1]\n\n[1] {RICE.title}. Contoh, 19 Mei 2023"


def test_filters_are_chosen_shown_used_and_removed(at_stand_in: Reader) -> None:
    reader = at_stand_in.open(width=390, height=800)
    reader.click(".t-filter-open")
    reader.until("return document.querySelector('#t-filter-form').matches(':popover-open')")
    reader.run("document.querySelector('#t-filter-form [name=from]').value = '2023-05-01'")
    reader.run("document.querySelector('#t-filter-form [value=Contoh]').click()")
    reader.click("#t-filter-form [type=submit]")
    reader.until("return document.querySelectorAll('.t-chip').length === 2")
    assert not reader.run("return document.querySelector('#t-filter-form').matches(':popover-open')")
    assert reader.run("return document.documentElement.scrollWidth <= innerWidth")
    reader.ask("Berapa persen harga beras turun?")
    assert "1 May 2023, Contoh" in reader.text(".t-understood")
    reader.click("[data-unfilter=from]")
    reader.until("return document.querySelectorAll('.t-chip').length === 1")


def test_an_answer_is_saved_as_markdown_and_as_html(at_stand_in: Reader, tmp_path: Path) -> None:
    reader = at_stand_in.open()
    allowed = {"behavior": "allow", "downloadPath": str(tmp_path)}
    reader.driver.execute_cdp_cmd("Browser.setDownloadBehavior", allowed)
    reader.ask("Berapa persen harga beras turun?")
    for kind in ("md", "html"):
        reader.click(f"[data-save={kind}]")
        file = tmp_path / f"tanya.{kind}"
        deadline = time.monotonic() + 10
        while not (file.exists() and "harga beras turun dua persen" in file.read_text("utf-8")):
            assert time.monotonic() < deadline, list(tmp_path.iterdir())
            time.sleep(0.05)


def test_a_question_too_long_is_refused_also_when_the_box_lets_it_pass(at_stand_in: Reader) -> None:
    reader = at_stand_in.open()
    reader.run("document.querySelector('.t-examples button').dataset.question = 'beras '.repeat(200)")
    reader.click(".t-examples button")
    reader.until("return document.querySelector('[data-status=failed]')")
    assert ENGLISH.too_long.format(length=1199, limit=1000) in reader.text(".t-problem")


def test_nothing_is_asked_of_any_other_host_and_nothing_kept_but_the_language(at_archive: Reader) -> None:
    driver = at_archive.driver
    driver.get_log("performance")
    reader = at_archive.open()
    reader.ask(MISSION)
    reader.click("#t-language label:last-of-type")
    reader.until("return document.documentElement.lang === 'id'")
    assert foreign_requests(driver, reader.url) == []
    kept = reader.run("return JSON.stringify({...localStorage, ...sessionStorage}) + document.cookie")
    assert "Armenia" not in kept
    databases = driver.execute_async_script("indexedDB.databases().then(arguments[0])")
    assert databases == []
    with urllib.request.urlopen(f"{reader.url}config", timeout=10) as response:
        config = json.load(response)
    assert (config["run_history"], config["footer_links"], config["analytics_enabled"]) == (False, [], False)
    with urllib.request.urlopen(f"{reader.url}gradio_api/info", timeout=10) as response:
        offered = json.load(response)
    assert (list(offered["named_endpoints"]), offered["unnamed_endpoints"]) == (["/ask"], {})


def foreign_requests(driver: Chrome, url: str) -> list[str]:
    messages = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert any(one.startswith(url) for one in asked)
    return [one for one in asked if not one.startswith((url, "data:", "blob:", "chrome:", "about:"))]
