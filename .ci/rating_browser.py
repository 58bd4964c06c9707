"""Rates images in headless Chromium, by keyboard, mouse and touch, and takes screenshots. Run by .ci/rating-browser.

    rating_browser.py SERVE_POOL FOLDER SHOTS
"""
import base64
import json
import pathlib
import socket
import subprocess
import sys
import time

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --force-color-profile=srgb"
).split()
WIDTHS = {375: 780, 800: 1000, 1280: 860}
TOKEN = "for-a-test-0123456789"


def check(holds, what):
    if not holds:
        sys.exit(f"rating-browser: FAILED: {what}")
    print(f"rating-browser: {what}", file=sys.stderr)


class Server:
    def __init__(self, program, folder, mode, port=None):
        self.program, self.folder, self.mode, self.port = program, folder, mode, port
        if port is None:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        folder.mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self):
        arguments = [self.program, str(self.folder), self.mode, str(self.port), TOKEN]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def records(self):
        path = self.folder / "preferences.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def decisions(self):
        return [record for record in self.records() if record["kind"] != "Undo"]


class Page:
    def __init__(self, driver):
        self.driver = driver

    def js(self, script, *arguments):
        return self.driver.execute_script(f"return ({script})", *arguments)

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def press(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def until(self, holds, what, seconds=15):
        try:
            WebDriverWait(self.driver, seconds, poll_frequency=0.02).until(lambda _: holds())
        except Exception:
            self.driver.save_screenshot("/tmp/rating-failed.png")
            check(False, what)
        print(f"rating-browser: {what}", file=sys.stderr)

    def size(self, width, height):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def media(self, **features):
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": named})

    def shown(self):
        return self.js("[...document.querySelectorAll('#images img')].map(e => e.src)")

    def ready(self):
        images = "(all => all.length > 0 && all.every(e => e.complete && e.naturalWidth > 0))([...document.querySelectorAll('#images img')])"
        return self.js(images)

    def open(self, address, name=None, width=1280):
        self.size(width, WIDTHS[width])
        self.driver.get(address)
        if name:
            WebDriverWait(self.driver, 10).until(lambda _: self.js("document.getElementById('name').open"))
            self.press(name, Keys.ENTER)
        WebDriverWait(self.driver, 10).until(lambda _: self.ready())

    def photograph(self, folder, name):
        for width, height in WIDTHS.items():
            self.size(width, height)
            for scheme in ("light", "dark"):
                self.media(prefers_color_scheme=scheme)
                time.sleep(0.35)
                over = self.js("document.documentElement.scrollWidth")
                check(over <= width, f"at {width} pixels {name} needs {over}")
                shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
                (folder / f"{name}-{width}-{scheme}.png").write_bytes(base64.b64decode(shot["data"]))
        self.media()
        self.size(1280, WIDTHS[1280])


# Presses keys as a rater would who decides at once: the next one when the images of the next pair are on the screen.
HUNDRED = """
const done = arguments[arguments.length - 1];
const keys = ['ArrowLeft', 'ArrowRight', '1', '2', 'a', 'b', 't', 'ArrowDown'];
const waits = [];
const began = performance.now();
let count = 0;
const ready = () => { const all = [...document.querySelectorAll('#images img')]; return all.length === 2 && all.every(e => e.complete && e.naturalWidth > 0); };
const step = () => {
  if (count === 100) { done({ seconds: (performance.now() - began) / 1000, waits }); return; }
  const key = keys[count % keys.length];
  count += 1;
  const pressed = performance.now();
  dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  const wait = () => {
    if (!ready()) { setTimeout(wait, 1); return; }
    waits.push(performance.now() - pressed);
    requestAnimationFrame(step);
  };
  wait();
};
step();
"""


def pairs(page, server, shots):
    page.size(1280, WIDTHS[1280])
    page.driver.get(server.address)
    page.until(lambda: page.js("document.getElementById('name').open"), "the name is asked for")
    page.photograph(shots, "name")
    page.press("Ann", Keys.ENTER)
    page.until(page.ready, "two images of a prompt are shown")
    check(page.js("document.activeElement.id") == "prompt", "and the focus is on the question")
    first = page.shown()
    check(len(first) == 2 and first[0] != first[1], "they differ")
    page.press(Keys.ARROW_LEFT)
    page.until(lambda: page.shown() != first and page.ready(), "the next pair is there")
    page.until(lambda: len(server.decisions()) == 1, "and the answer in the file")
    record = server.decisions()[0]
    check((record["outcome"], record["who"]) == ("A", "Ann"), "it says that Ann prefers the left image")

    # Real key presses first, through the browser's own input.
    for key, outcome in [("2", "B"), ("t", "Tie"), (Keys.ARROW_DOWN, "Tie"), (Keys.SPACE, "Skip"), ("a", "A"), (Keys.ARROW_RIGHT, "B"), ("s", "Skip")]:
        before = len(server.decisions())
        page.press(key)
        WebDriverWait(page.driver, 10).until(lambda _: len(server.decisions()) == before + 1)
        check(server.decisions()[-1]["outcome"] == outcome, f"a key decides {outcome}")
    page.press("q", "w", "w")
    check(page.one("#tags button[aria-pressed=true]").text.startswith("hands"), "a key gives a reason")
    page.press("1")
    page.until(lambda: server.decisions()[-1].get("tags") == ["hands"], "which is kept with the answer")
    check(page.all("#tags button[aria-pressed=true]") == [], "and not with the next one")

    # Undo, several steps, and the same pairs come back.
    before = page.shown()
    count = len(server.decisions())
    seen = [before]
    for _ in range(3):
        page.press("1")
        seen.append(page.shown())
    page.until(lambda: len(server.decisions()) == count + 3 and not page.js("document.getElementById('gone').hidden === false"), "three more answers")
    for _ in range(3):
        undos = len(server.records()) - len(server.decisions())
        page.press(Keys.BACKSPACE)
        page.until(lambda: len(server.records()) - len(server.decisions()) == undos + 1, "an undo is in the file")
    page.until(lambda: page.shown() == before and page.ready(), "three steps back the same pair is shown, sides too")

    # A quick rater: answers and undoes faster than the server replies.
    counted = len(standing(server))
    page.driver.execute_script("const k = key => dispatchEvent(new KeyboardEvent('keydown', { key })); k('1'); k('2'); k('u'); k('u');")
    time.sleep(1)
    page.until(lambda: page.shown() == before and len(standing(server)) == counted, "quick answers that are undone leave nothing")

    counted = len(server.decisions())
    page.driver.set_script_timeout(180)
    timed = page.driver.execute_async_script(HUNDRED)
    waits = sorted(timed["waits"])
    check(timed["seconds"] < 180, f"100 decisions by keyboard in {timed['seconds']:.1f} s of the page's time")
    print(f"rating-browser: the next pair is on the screen after {waits[50]:.1f} ms (median), {waits[-1]:.1f} ms (worst)", file=sys.stderr)
    page.until(lambda: len(server.decisions()) == counted + 100, "and all hundred are in the file")
    decided = standing(server)
    subjects = [tuple(sorted(image["File"]["sha256"] for image in record["images"])) for record in decided]
    check(len(subjects) > 100, f"{len(set(subjects))} different pairs of {len(subjects)} answers, the others repeats")
    page.until(lambda: "of 100" in page.one("#count").text and int(page.one("#count").text.split()[0]) >= 100, "the page counts them")
    page.photograph(shots, "pairs")

    page.press("?")
    check(page.js("document.getElementById('help').open") and "left image is better" in page.one("#help").text, "? shows the keys")
    page.photograph(shots, "help")
    page.press(Keys.ESCAPE)
    page.one("#open-progress").click()
    check("accuracy" in page.one("#progress").text and "Same again" in page.one("#progress").text, "progress says what was learned")
    page.photograph(shots, "progress")
    page.press(Keys.ESCAPE)
    time.sleep(0.1)


def standing(server):
    undone = {record["undoes"] for record in server.records() if record["kind"] == "Undo"}
    return [record for record in server.decisions() if record["id"] not in undone]


def by_mouse_and_touch(page, server):
    count = len(server.decisions())
    page.all("#images .shot")[1].click()
    page.until(lambda: len(server.decisions()) == count + 1 and server.decisions()[-1]["outcome"] == "B", "a click on an image prefers it")
    box = page.one("#images").rect
    y = int(box["y"] + box["height"] / 2)
    x = int(box["x"] + box["width"] / 2)
    cdp = page.driver.execute_cdp_cmd
    cdp("Emulation.setTouchEmulationEnabled", {"enabled": True, "maxTouchPoints": 1})
    for dx, outcome in [(-140, "A"), (140, "B")]:
        count = len(server.decisions())
        cdp("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
        for step in range(1, 6):
            cdp("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x + dx * step // 5, "y": y}]})
        cdp("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.until(lambda: len(server.decisions()) == count + 1 and server.decisions()[-1]["outcome"] == outcome, f"a swipe decides {outcome}")
        time.sleep(0.3)
        check(len(server.decisions()) == count + 1, "once")
    cdp("Emulation.setTouchEmulationEnabled", {"enabled": False})


def gone_and_back(page, server, shots):
    server.kill()
    count = len(server.decisions())
    before = page.shown()
    page.press("1")
    page.until(lambda: "No connection" in page.one("#gone").text and "is kept" in page.one("#gone").text, "without a server the page says so, and keeps the answer")
    check(page.shown() != before and page.ready(), "and goes on with what it has")
    page.press("2")
    page.until(lambda: "Your last 2 answers are kept" in page.one("#gone").text, "it counts what it keeps")
    page.photograph(shots, "gone")
    server.start()
    page.until(lambda: page.js("document.getElementById('gone').hidden"), "when the server is back the message goes")
    page.until(lambda: len(server.decisions()) == count + 2, "and both answers are in the file")
    check([record["outcome"] for record in server.decisions()[-2:]] == ["A", "B"], "in their order")
    page.until(page.ready, "and rating goes on")


def two_windows(page, server):
    first = page.driver.current_window_handle
    one = page.shown()
    page.driver.switch_to.new_window("window")
    page.open(server.address)
    check(set(page.shown()) != set(one), "a second window of the same rater, who is not asked for a name again, has another question")
    page.driver.close()
    page.driver.switch_to.window(first)


def ranking(page, server, shots):
    page.open(server.address)
    check(len(page.shown()) == 4, "four images are ranked")
    # Second; first and third tie for the next; the fourth is last.
    page.press("2", "1", "t", "3")
    check([badge.text for badge in page.all(".rank")] == ["2", "1", "2"], "keys give ranks, t a tie")
    page.photograph(shots, "ranking")
    page.press(Keys.ENTER)
    page.until(lambda: len(server.decisions()) == 1 and server.decisions()[0]["outcome"] == [2, 1, 2, 3], "Enter sends the order; who is left is last")
    page.until(page.ready, "the next question is there")
    for index in (3, 0, 1, 2):
        page.all("#images .shot")[index].click()
    page.all("#images .shot")[1].click()
    check(len(page.all(".rank")) == 2, "a click takes a rank back, and those after it")
    page.all("#images .shot")[2].click()
    page.one("#done").click()
    page.until(lambda: server.decisions()[-1]["outcome"] == [2, 4, 3, 1], "clicks rank, too")


def singles(page, server, mode, keys, shots):
    page.open(server.address)
    page.photograph(shots, mode)
    for key, outcome in keys:
        count = len(server.decisions())
        page.press(key)
        WebDriverWait(page.driver, 10).until(lambda _: len(server.decisions()) == count + 1)
        check(server.decisions()[-1]["outcome"] == outcome, f"{mode}: a key decides {outcome}")


def names(page):
    unnamed = """[...document.querySelectorAll('button, input, img, dialog, [role=group], [role=progressbar]')].filter(e => !(
        e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.alt || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML.slice(0, 120))"""
    check(page.js(unnamed) == [], f"everything has a name for screen readers: {page.js(unnamed)}")
    page.press(Keys.TAB)
    outline = page.js("getComputedStyle(document.activeElement).outlineStyle")
    check(outline not in ("none", ""), "focus is visible")
    page.press(Keys.ESCAPE)


def nothing_outside(driver, addresses, expect_gone):
    severe = [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    # The browser itself reports connections that are refused while the server is gone.
    if expect_gone:
        severe = [message for message in severe if "ERR_CONNECTION_REFUSED" not in message and "ERR_EMPTY" not in message and "ERR_CONNECTION_RESET" not in message]
    check(not severe, f"the console is silent: {severe}")
    outside = []
    for entry in driver.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            url = message["params"]["request"]["url"]
            if not any(url.startswith(address) for address in addresses) and not url.startswith(("data:", "about:", "chrome:")):
                outside.append(url)
    check(not outside, f"no other server is asked: {outside}")


def main():
    program, folder, shots = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    options = Options()
    for flag in FLAGS:
        options.add_argument(flag)
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    servers = []
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        page = Page(driver)
        port = None
        for mode in ("pairs", "ranking", "labels", "scores"):
            # One port: the browser keeps the rater's name by address.
            server = Server(program, folder / mode, mode, port)
            port = server.port
            servers.append(server)
            if mode == "pairs":
                pairs(page, server, shots)
                names(page)
                by_mouse_and_touch(page, server)
                two_windows(page, server)
                nothing_outside(driver, [f"http://127.0.0.1:{port}/"], False)
                gone_and_back(page, server, shots)
                nothing_outside(driver, [f"http://127.0.0.1:{port}/"], True)
            elif mode == "ranking":
                ranking(page, server, shots)
            elif mode == "labels":
                singles(page, server, mode, [("k", "Good"), ("j", "Bad"), ("g", "Good"), ("b", "Bad"), ("s", "Skip")], shots)
            else:
                singles(page, server, mode, [("1", 1.0), ("5", 5.0), (Keys.SPACE, "Skip")], shots)
            if mode != "pairs":
                nothing_outside(driver, [f"http://127.0.0.1:{port}/"], False)
            driver.get("about:blank")
            server.kill()
    finally:
        driver.quit()
        for server in servers:
            if server.process.poll() is None:
                server.kill()
    print("rating-browser: passed", file=sys.stderr)


main()
