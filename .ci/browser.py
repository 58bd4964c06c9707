"""Opens a report in headless Chromium, uses it by mouse and by keyboard alone, and takes screenshots. Run by .ci/browser.

    browser.py REPORT FOLDER [--note TEXT] [--photograph OTHER]
"""
import argparse
import base64
import json
import pathlib
import sys
import tempfile
import time

from selenium import webdriver
from selenium.common.exceptions import SessionNotCreatedException, WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --force-color-profile=srgb"
).split()
WIDTHS = (375, 800, 1280)
# How much of the page documentation shows.
HEIGHTS = {375: 2400, 800: 2400, 1280: 2000}


def check(holds, what):
    if not holds:
        sys.exit(f"browser: FAILED: {what}")
    print(f"browser: {what}", file=sys.stderr)


class Page:
    """A report in the browser."""

    def __init__(self, driver):
        self.driver = driver

    def open(self, path, width=1280, height=900):
        self.size(width, height)
        self.driver.get(path.resolve().as_uri())
        WebDriverWait(self.driver, 20).until(lambda driver: driver.find_elements(By.CSS_SELECTOR, "#chart .mark"))
        time.sleep(0.3)

    def size(self, width, height):
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def media(self, **features):
        named = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": named})

    def js(self, script, *arguments):
        return self.driver.execute_script(f"return ({script})", *arguments)

    def one(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def click(self, element):
        """Clicks an element in the middle of the window, where the head of the page does not cover it."""
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        element.click()

    def press(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def selected(self):
        """The selected point, by chart, table and details; they must agree."""
        found = {
            self.js("document.querySelector('#chart .mark[aria-selected=true]')?.dataset.id"),
            self.js("document.querySelector('#table tr[aria-selected=true]')?.dataset.id"),
            self.js("document.querySelector('#details h3')?.textContent"),
        }
        check(len(found) == 1, f"chart, table and details show the same point: {found}")
        return found.pop()

    def focus(self):
        return self.js("document.activeElement.closest('[data-id]')?.dataset.id ?? document.activeElement.id ?? ''")

    def tab_to(self, script, most=120):
        """Presses Tab until the focused element is one for which the script is true."""
        for _ in range(most):
            self.press(Keys.TAB)
            if self.js(f"(e => {script})(document.activeElement)"):
                return
        check(False, f"Tab reaches an element with {script}")

    def photograph(self, path, width, height=None):
        self.size(width, 900)
        time.sleep(0.6)
        # Of a page that is too wide the screenshot would show less than is there.
        over = self.js("document.documentElement.scrollWidth")
        check(over <= width, f"at {width} pixels the page needs {over}")
        full = self.js("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": width, "height": min(full, height or full), "scale": 1}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True, "clip": clip})
        path.write_bytes(base64.b64decode(shot["data"]))


def by_mouse(page):
    ids = [mark.get_attribute("data-id") for mark in page.all("#chart .mark")]
    check(len(ids) >= 3, f"the chart has marks: {ids}")
    for name in ids:
        ActionChains(page.driver).move_to_element(page.one("#chart")).move_to_element(
            page.one(f'#chart .mark[data-id="{name}"]')).perform()
        if page.one("#chart .tip .name").text == name:
            break
    tip = page.one("#chart .tip")
    check(tip.is_displayed() and tip.find_elements(By.CSS_SELECTOR, "canvas"), f"a point that is hovered shows its images: {tip.text!r}")
    page.click(page.one(f'#chart .mark[data-id="{name}"]'))
    check(page.selected() == name, f"a click selects {name}")

    rows = lambda: [row.get_attribute("data-id") for row in page.all("#table tbody tr")]
    before = rows()
    page.click(page.all("#table thead button")[2])
    down = rows()
    page.click(page.all("#table thead button")[2])
    values = [float(row.find_elements(By.CSS_SELECTOR, "td")[1].text.split()[0].replace("−", "-")) for row in page.all("#table tbody tr")]
    check(values == sorted(values) and sorted(before) == sorted(down), f"a click on a column sorts the table: {values}")
    check(page.all("#table th")[2].get_attribute("aria-sort") == "ascending", "and says so")
    page.click(page.all("#table tbody tr")[0])
    check(page.selected() == rows()[0], "a click on a row selects it")

    slider = page.one("#mixer input[type=range]")
    page.driver.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", slider)
    share = page.one("#mixer output").text
    gains = page.one("#mixer .bars").text
    width = slider.size["width"]
    ActionChains(page.driver).move_to_element_with_offset(slider, 0, 0).click_and_hold().move_by_offset(int(width * 0.3), 0).release().perform()
    check(page.one("#mixer output").text != share, f"dragging the slider changes shares: {share} to {page.one('#mixer output').text}")
    check(page.one("#mixer .bars").text != gains, "and what is expected")
    check(sum(int(text.text.split()[0]) for text in page.all("#mixer output")) == 100, "shares sum to 100 %")
    check(page.all("#mixer .figures canvas"), "and images of the nearest mixture are shown")


def images(page):
    modes = {button.text: button for button in page.all("#compare .group button")}
    # Two points that are not the same.
    other = page.js("[...document.querySelectorAll('#table tbody tr')].map(e => e.dataset.id).find(id => id !== 'base')")
    page.click(page.one(f'#table tr[data-id="{other}"]'))
    pixels = """(selector => [...document.querySelectorAll(selector)].map(canvas =>
        [...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data].reduce((sum, value, i) => (sum * 31 + value) % 1000003, 7)))(arguments[0])"""
    time.sleep(0.3)
    both = page.js(pixels, "#compare canvas")
    check(len(both) >= 2 and both[: len(both) // 2] != both[len(both) // 2 :], "two points are side by side, and their images differ")
    page.click(modes["Difference"])
    time.sleep(0.5)
    apart = page.js(pixels, "#compare canvas")
    check(len(apart) == len(both) * 3 // 2 and apart[: len(both)] == both, "the difference stands beside them")
    check("root mean square" in page.one("#compare").text, "and says how large it is")
    page.click(modes["Blink"])
    shown = set()
    for _ in range(25):
        shown.add(page.one("#compare .pair").get_attribute("data-shown"))
        time.sleep(0.1)
    check(shown == {"base", other}, f"images blink between {shown}")
    page.press(Keys.ESCAPE)
    check(modes["Side by side"].get_attribute("aria-pressed") == "true", "Escape ends the blinking")
    page.media(prefers_reduced_motion="reduce")
    page.click(modes["Blink"])
    first = page.one("#compare .pair").get_attribute("data-shown")
    time.sleep(1.8)
    check(page.one("#compare .pair").get_attribute("data-shown") == first, "nothing blinks for readers who want no motion")
    page.click(modes["Side by side"])
    page.media()


def themes(page):
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.js(background)
    page.click(page.one("#theme"))
    dark = page.js(background)
    check(light != dark, f"the theme changes: {light} to {dark}")
    page.click(page.one("#theme"))
    check(page.js(background) == light, "and back")
    page.media(prefers_color_scheme="dark")
    time.sleep(0.1)
    # A theme that was chosen stays; a fresh page follows the system.
    page.driver.refresh()
    time.sleep(0.8)
    check(page.js(background) == dark, "a system that is dark has a dark page")
    page.media()
    time.sleep(0.2)


def by_keyboard(page, report):
    page.open(report)
    page.press(Keys.TAB)
    check(page.js("document.activeElement.className") == "skip", "the first Tab offers to skip to the front")
    page.press(Keys.ENTER)
    page.tab_to("e.matches('#front-controls select')")
    axis = page.one("#chart .axis-title").text
    page.press(Keys.DOWN)
    check(page.one("#chart .axis-title").text != axis, f"keys choose an axis: {axis} to {page.one('#chart .axis-title').text}")
    page.press(Keys.UP)
    page.tab_to("e.matches('#chart .mark')")
    visible = "(s => s.strokeWidth !== '0px' && s.stroke !== 'none')(getComputedStyle(document.activeElement.querySelector('.ring')))"
    check(page.js(visible), "focus in the chart is visible")
    marks = {mark.get_attribute("data-id") for mark in page.all("#chart .mark")}
    reached = set()
    for key in [Keys.LEFT, Keys.UP, Keys.RIGHT, Keys.DOWN]:
        page.press(key)
        reached.add(page.focus())
    check(len(reached) > 1 and reached <= marks, f"arrow keys move between marks: {reached}")
    for _ in marks:
        page.press(Keys.PAGE_DOWN)
        reached.add(page.focus())
    check(reached == marks, "Page Down reaches all of them")
    check(page.one("#chart .tip").is_displayed(), "the mark in focus shows its card")
    page.press(Keys.ESCAPE)
    check(not page.one("#chart .tip").is_displayed(), "Escape closes it")
    page.press(Keys.HOME, Keys.ENTER)
    check(page.selected() == "base", "Home goes to the base, Enter selects")
    check("base" in page.one("#live").get_attribute("textContent"), "and a screen reader hears of it")
    page.tab_to("e.matches('#table thead button')")
    page.press(Keys.ENTER)
    check(page.one("#table th").get_attribute("aria-sort") == "ascending", "Enter sorts the table")
    check(page.js("document.activeElement.matches('#table thead button')"), "and focus stays")
    page.tab_to("e.matches('#table tbody tr')")
    page.press(Keys.END, Keys.SPACE)
    last = page.all("#table tbody tr")[-1].get_attribute("data-id")
    check(page.selected() == last, f"keys select the last row, {last}")
    page.tab_to("e.matches('#compare .group button')")
    page.tab_to("e.matches('#mixer input[type=range]')")
    share = page.one("#mixer output").text
    page.press(Keys.RIGHT, Keys.RIGHT)
    check(page.one("#mixer output").text != share, "keys move the slider")
    page.tab_to("e.matches('#mixer .code button')")
    page.press(Keys.ENTER)
    page.tab_to("e.matches('#origin summary')")
    page.press(Keys.ENTER)
    check(page.one("#origin details").get_attribute("open") is not None, "keys open the experiment file")
    names = """[...document.querySelectorAll('button, select, input, a, [role=option], canvas')].filter(e => !e.hidden && !(
        e.getAttribute('aria-label') || e.textContent.trim() || e.labels?.length)).map(e => e.outerHTML.slice(0, 120))"""
    check(page.js(names) == [], f"everything has a name for screen readers: {page.js(names)}")


def nothing_outside(driver, log):
    severe = [entry["message"] for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]
    check(not severe, f"the console is silent: {severe}")
    requests = []
    for entry in log:
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            requests.append(message["params"]["request"]["url"][:80])
    outside = [url for url in requests if not url.startswith(("file:", "data:", "chrome:"))]
    # chrome: is the browser's own first tab.
    check(requests and not outside, f"no request leaves the file: {outside}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("report", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--note", help="a note of the experiment, which must be text and nothing else")
    parser.add_argument("--photograph", type=pathlib.Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as profile:
        options = Options()
        for flag in [*FLAGS, f"--user-data-dir={profile}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        try:
            driver = webdriver.Chrome(options=options, service=Service("chromedriver"))
        except (SessionNotCreatedException, WebDriverException) as error:
            print(f"skipped: Chromium does not start: {str(error).splitlines()[0]}", file=sys.stderr)
            sys.exit(75)
        try:
            page = Page(driver)
            page.open(arguments.report)
            log = driver.get_log("performance")
            if arguments.note:
                check(page.one("#remarks blockquote").text == arguments.note, "a hostile note is text")
                check(not page.all("#remarks img, #remarks b"), "and makes no element")
            by_mouse(page)
            images(page)
            themes(page)
            by_keyboard(page, arguments.report)
            shown = arguments.photograph or arguments.report
            page.open(shown)
            for width in WIDTHS:
                page.photograph(arguments.folder / f"report-{width}.png", width)
                page.photograph(arguments.folder / f"top-{width}.png", width, HEIGHTS[width])
            page.media(prefers_color_scheme="dark")
            page.photograph(arguments.folder / "report-1280-dark.png", 1280)
            page.media()
            printed = driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True, "preferCSSPageSize": True})
            (arguments.folder / "report.pdf").write_bytes(base64.b64decode(printed["data"]))
            log += driver.get_log("performance")
            nothing_outside(driver, log)
        finally:
            driver.quit()
    print("browser: done", file=sys.stderr)


if __name__ == "__main__":
    main()
