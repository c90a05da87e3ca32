"""The page as a visitor has it: the real command, a real browser, every tool, hostile files, no outside request."""

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from hostile import HOSTILE, png
from PIL import Image

from notbugs.models import build, save_model

TOOLS = {
    "Turn into a class": "towards cat",
    "Paint a feature": "painted",
    "Fill a hole": "filled as cat",
    "Turn a feature": "turned to",
    "Where it looks": "SmoothGrad",
    "Walk between two": "from one image to the other",
}
SHOWN = """() => { const image = document.querySelector('#drawn img');
  return image && image.complete && image.naturalWidth > 100; }"""
"""The picture has come: the words beside it may come first."""

WIDTHS = (400, 900, 1400)
QUEUE_S = 120


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with served(tmp_path_factory.mktemp("demo")) as found:
        yield found


@contextmanager
def served(home, *options):
    """The page, served by the command; it ends with the tests, in one line and without an error of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HOME": str(home), "TMPDIR": str(home)}
    with (home / "log").open("w") as log:
        command = [sys.executable, "-m", "notbugs.app", "demo", "--port", str(port), *options]
        server = subprocess.Popen(command, cwd=home, env=environment, stderr=log, stdout=log)
        try:
            deadline = time.monotonic() + QUEUE_S
            while "Ctrl-C" not in (home / "log").read_text():
                assert server.poll() is None, (home / "log").read_text()
                assert time.monotonic() < deadline, "the page did not come up"
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}"
            server.terminate()
            assert server.wait(QUEUE_S) == 0
        finally:
            server.kill()
    said = (home / "log").read_text()
    assert "Traceback" not in said, said
    assert not list(home.glob("notbugs-demo-*")), "what visitors left was not taken away"


class Visitor:
    """A visitor with a page of their own, who notes what the browser asks for and complains of."""

    def __init__(self, browser, address, width=1400, query="", wait=True):
        self.address, self.asked, self.wrong = address, [], []
        self.page = browser.new_page()
        self.page.set_viewport_size({"width": width, "height": 900})
        self.page.set_default_timeout(1000 * QUEUE_S)
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", lambda line: self.wrong.append(line.text) if line.type == "error" else None)
        self.page.goto(address + query, wait_until="commit")
        if wait:
            self.wait()

    def wait(self):
        """Until the page is there."""
        self.page.get_by_role("button", name="Draw", exact=True).wait_for()
        self.page.locator("#image canvas").first.wait_for()

    def choose(self, tool):
        self.page.get_by_role("radio", name=tool).check()

    def draw(self, said):
        """Press the button and wait for the end; what the page says then."""
        self.page.get_by_role("button", name="Draw", exact=True).click()
        self.page.locator("#said", has_text=re.compile(said)).wait_for()
        self.page.locator("#take a").first.wait_for()
        return self.page.locator("#said").inner_text()

    def mark(self):
        """A stroke across the middle of the canvas."""
        box = self.page.locator("#image canvas").first.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(x - 40, y)
        self.page.mouse.down()
        self.page.mouse.move(x + 40, y + 10, steps=8)
        self.page.mouse.up()
        self.page.wait_for_timeout(500)  # the canvas sends what was drawn a moment later

    def outside(self):
        return [url for url in self.asked if not url.startswith((self.address, "data:", "blob:"))]


@pytest.fixture
def visitor(browser, address):
    visitor = Visitor(browser, address)
    yield visitor
    assert not visitor.outside()
    assert not visitor.wrong
    visitor.page.close()


def test_every_tool_draws(visitor):
    page = visitor.page
    page.get_by_role("button", name="dog", exact=True).first.click()
    for tool, said in TOOLS.items():
        visitor.choose(tool)
        if tool == "Paint a feature":
            visitor.mark()
        visitor.draw(said)
        page.wait_for_function(SHOWN)
    assert "model sees" not in page.locator("#said").inner_text()


def test_a_link_shows_the_same_to_somebody_else(visitor, browser, address):
    visitor.page.get_by_role("button", name="horse", exact=True).first.click()
    visitor.choose("Turn into a class")
    visitor.page.wait_for_timeout(1000)
    said = visitor.draw("Step 60 of 60")
    link = visitor.page.get_by_role("link", name="Link to this").get_attribute("href")
    visitor.page.wait_for_url(lambda url: url.endswith(link))  # the page writes it once it has drawn
    other = Visitor(browser, address, query=f"/{link}")
    other.page.wait_for_timeout(2000)
    assert other.draw("Step 60 of 60") == said
    other.page.wait_for_url(visitor.page.url)
    other.page.close()


def test_what_is_drawn_can_be_taken_away_and_gone_on_with(visitor):
    visitor.draw("Step 60 of 60")
    for name, magic in (("Picture (PNG)", b"\x89PNG"), ("The way there (WebP)", b"RIFF")):
        with visitor.page.expect_download() as waiting:
            visitor.page.get_by_role("link", name=name).click()
        assert waiting.value.path().read_bytes()[:4] == magic
    visitor.page.get_by_role("button", name="Go on with what was drawn").click()
    visitor.page.wait_for_timeout(1500)
    visitor.choose("Where it looks")
    assert "the robust model, which sees cat" in visitor.draw("SmoothGrad")


def test_hostile_files_are_refused_and_the_page_lives(visitor, tmp_path):
    page = visitor.page
    field = page.get_by_test_id("Upload an image-upload-button")
    for number, (name, content) in enumerate(HOSTILE.items()):
        path = tmp_path / f"{number}.png"
        path.write_bytes(content)
        field.set_input_files(path)
        toast = page.get_by_test_id("toast-body").first
        toast.wait_for()
        told = toast.inner_text()
        assert "Traceback" not in told, name
        assert ".py" not in told, name
        assert len(told) < 250, (name, told)
        page.get_by_test_id("toast-close").first.click()
        toast.wait_for(state="detached")
    visitor.wrong.clear()  # the browser notes that the largest one was refused
    path = tmp_path / "true.png"
    path.write_bytes(png(Image.new("RGB", (300, 200), "red")))
    field.set_input_files(path)
    page.wait_for_timeout(1500)
    assert "model sees" in visitor.draw("Step 60 of 60")


def test_it_can_be_used_without_a_mouse(visitor):
    page = visitor.page
    reached = [tab_to(page, name) for name in ("dog", "fill")]
    page.keyboard.press("Space")
    page.get_by_text("Draw over what is to go").wait_for()
    reached += [tab_to(page, name) for name in ("Class", "Where")]
    for key in ("ArrowDown", "ArrowDown", "Enter"):
        page.keyboard.press(key)
        page.wait_for_timeout(200)  # the list opens and moves
    reached.append(tab_to(page, "Draw"))
    assert all(reached)
    page.keyboard.press("Enter")
    page.locator("#said", has_text="60 of 60").wait_for()
    page.locator("#take a").first.wait_for()


def tab_to(page, name):
    """Press Tab until what is called `name` has the focus."""
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == name:
            return True
    return False


@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_the_screen_and_everything_has_a_name(width, browser, address):
    visitor = Visitor(browser, address, width=width)
    for tool in TOOLS:
        visitor.choose(tool)
        visitor.page.wait_for_timeout(500)
        assert visitor.page.evaluate("document.documentElement.scrollWidth") <= width
        nameless = visitor.page.evaluate(NAMELESS)
        assert nameless == [], tool
        faint = visitor.page.evaluate(FAINT)
        assert faint == [], tool
    visitor.page.close()


@pytest.fixture
def small(tmp_path):
    """The page with a network that draws in a second: many visitors wait for each other, not for it."""
    model = tmp_path / "model.safetensors"
    save_model(build("convnet-16-32-32-32", classes=10, seed=0), model)
    (tmp_path / "home").mkdir()
    with served(tmp_path / "home", "--model", str(model), "--beside", "") as found:
        yield found


def test_twenty_visitors_at_once_are_all_served(browser, small):
    windows = browser.new_context()  # of one browser, which asks for the page's scripts once
    visitors = [Visitor(windows, small, width=900, wait=False) for _ in range(20)]
    for visitor in visitors:
        visitor.wait()
    for visitor in visitors:
        visitor.page.get_by_role("button", name="Draw", exact=True).evaluate("button => button.click()")
    for visitor in visitors:
        visitor.page.locator("#take a").first.wait_for()
        assert "Step 60 of 60" in visitor.page.locator("#said").inner_text()
        visitor.page.close()
    windows.close()


FOCUSED = """() => { const e = document.activeElement;
  return e.type === 'radio' ? e.value : e.getAttribute('aria-label') || e.innerText; }"""

NAMELESS = """() => [...document.querySelectorAll('button, a, input, textarea, select, img, [role=listbox]')]
  .filter(e => e.checkVisibility({visibilityProperty: true}) && e.type !== 'file' && !e.closest('[aria-hidden=true]'))
  .filter(e => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.alt || e.innerText?.trim()
    || e.title || e.placeholder || e.labels?.length || e.querySelector('img[alt]:not([alt=""])')))
  .map(e => e.outerHTML.slice(0, 120))"""
"""What can be touched or looked at and has no name to be read aloud."""

FAINT = """() => {
  const parse = text => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const under = e => { for (; e; e = e.parentElement) {
    const colour = parse(getComputedStyle(e).backgroundColor);
    if (colour.length < 4 || colour[3] > 0.5) return colour; }
    return [255, 255, 255]; };
  return [...document.querySelectorAll('*')].filter(e => e.checkVisibility({visibilityProperty: true}) &&
      [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) &&
      !e.closest('[aria-hidden=true], script, style'))
    .map(e => { const [a, b] = [light(parse(getComputedStyle(e).color)), light(under(e))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), e.innerText.slice(0, 30)]; })
    .filter(([contrast]) => contrast < 4.5).map(([contrast, text]) => `${contrast.toFixed(1)} ${text}`);
}"""
"""Text whose contrast with what is under it is below 4.5 (WCAG 2.2, 1.4.3)."""
