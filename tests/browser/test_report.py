"""The HTML report in a real browser: on small and large screens, in light and dark, with scripts and without."""

from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys
from support.sampleplans import HOSTILE, poison, sample

from reconciler.render import plan_to_html

LOOK = (Path(__file__).parent / "look.js").read_text()

#: The least contrast that WCAG 2 asks of text (level AA).
LEAST = 4.5

EVERYWHERE = [
    pytest.param(width, dark, script, id=f"{width}-{'dark' if dark else 'light'}-{'script' if script else 'no-script'}")
    for width in (320, 768, 1280)
    for dark in (False, True)
    for script in (True, False)
]

#: Another script's words, and one that is so long that it has to be broken.
WORDS = f"{' '.join(HOSTILE)} \u0627\u0644\u0642\u0627\u0631\u0626 {'w' * 900}"

REPORT = "".join(plan_to_html(sample()))
HOSTILE_REPORT = "".join(plan_to_html(poison(sample(), WORDS)))


def look(page):
    """Nothing is too wide or too faint, whatever is opened; gives how many texts were looked at."""
    found = page.run(LOOK, LEAST)
    assert found["problems"] == []
    return found["texts"]


@pytest.mark.parametrize(("width", "dark", "script"), EVERYWHERE)
def test_it_fits_and_can_be_read_and_asks_nobody_for_anything(visit, site, width, dark, script):
    page = visit(REPORT, width, dark=dark, script=script)
    assert look(page) > 150
    assert page.console() == []
    assert site.asked == ["/report.html"]
    assert page.run("return performance.getEntriesByType('resource').length") == 0
    # Filters need the script, so they are there only with it.
    assert page.run("return document.getElementById('filters').hidden") is not script


@pytest.mark.parametrize(("width", "dark", "script"), EVERYWHERE)
def test_hostile_values_neither_act_nor_burst_the_page(visit, site, width, dark, script):
    page = visit(HOSTILE_REPORT, width, dark=dark, script=script)
    assert look(page) > 150
    assert page.console() == []
    assert site.asked == ["/report.html"]


def test_the_looking_sees_what_is_wrong(visit):
    broken = REPORT.replace("--soft: #545f6b", "--soft: #c5ccd3").replace(
        "overflow-wrap: anywhere", "white-space: nowrap"
    )
    # The policy must still allow the style: it is made for it.
    found = visit(allowed(broken), 320).run(LOOK, LEAST)["problems"]
    assert any("has a contrast of" in problem for problem in found)
    assert any("wide on a screen of 320" in problem for problem in found)


def allowed(page):
    """``page`` with a policy that allows every style in it."""
    start, end = page.index("style-src "), page.index("; script-src")
    return page[:start] + "style-src 'unsafe-inline'" + page[end:]


def test_the_policy_holds_even_if_markup_got_into_the_page(visit, site):
    hole = (
        "<script>document.title = 'taken'</script><p onclick='x()' style='color: red'>x</p>"
        f"<img src='{site.url}/image'><link rel=stylesheet href='{site.url}/style'>"
        f"<iframe src='{site.url}/frame'></iframe><script src='{site.url}/script'></script>"
    )
    page = visit(REPORT.replace("<h1>", hole + "<h1>"))
    assert page.driver.title.startswith("Plan for stage")
    assert site.asked == ["/report.html"]
    assert len([line for line in page.console() if "Content Security Policy" in line]) >= 6


# --- By keyboard ---

FOCUSED = """
const node = document.activeElement;
if (node === document.body) { return null; }
const style = getComputedStyle(node);
return {
  id: Array.prototype.indexOf.call(document.querySelectorAll("*"), node),
  seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
  what: node.tagName + " " + node.textContent.trim().slice(0, 30),
};
"""
REACHABLE = """
const nodes = Array.from(document.querySelectorAll("*"));
return nodes.filter((node) => node.matches("a[href], summary, input, select, button") && node.checkVisibility())
  .map((node) => nodes.indexOf(node));
"""


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_everything_can_be_reached_by_keyboard_in_order_and_is_seen_when_it_is(visit, script):
    page = visit(REPORT, script=script)
    reachable = page.run(REACHABLE)
    found = []
    for _ in reachable:
        ActionChains(page.driver, duration=0).send_keys(Keys.TAB).perform()
        found.append(page.run(FOCUSED))
    assert [one["what"] for one in found if not one["seen"]] == []
    assert [one["id"] for one in found] == reachable


def test_a_call_opens_by_keyboard_without_a_script(visit):
    page = visit(REPORT, script=False)
    page.run("document.querySelector('#s5 summary').focus()")
    ActionChains(page.driver, duration=0).send_keys(Keys.ENTER).perform()
    assert page.run("return document.getElementById('s5').open") is True


def test_a_link_to_a_call_leads_to_it_and_opens_it(visit):
    page = visit(REPORT)
    page.driver.find_element("css selector", "#impact option[value=grant]").click()
    assert shown(page) == [1]
    page.driver.find_element("css selector", ".first a[href='#s5']").click()
    wait(page, "return document.getElementById('s5').open")
    assert shown(page) == [1, 2, 3, 4, 5, 6]


# --- Filters ---

SHOWN = """
return Array.from(document.querySelectorAll(".step")).filter((step) => step.checkVisibility())
  .map((step) => Number(step.id.slice(1)));
"""


def shown(page):
    """The numbers of the calls that are to be seen."""
    return page.run(SHOWN)


def wait(page, condition):
    """Wait until a function body in the page gives true, at most two seconds."""
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(page.driver, 2, poll_frequency=0.02).until(lambda driver: driver.execute_script(condition))


@pytest.mark.parametrize(
    ("select", "value", "numbers", "said"),
    [
        ("action", "update", [2, 5, 6], "3 of 6 calls, 3 of 3 accounts"),
        ("action", "reactivate", [1], "1 of 6 calls, 1 of 3 accounts"),
        ("impact", "revoke", [5], "1 of 6 calls, 1 of 3 accounts"),
        ("impact", "neutral", [3, 4, 6], "3 of 6 calls, 2 of 3 accounts"),
        ("mark", "final", [1, 3, 4, 6], "4 of 6 calls, 2 of 3 accounts"),
        ("mark", "taking", [5], "1 of 6 calls, 1 of 3 accounts"),
        ("mark", "deadline", [1], "1 of 6 calls, 1 of 3 accounts"),
        ("mark", "refused", [5], "1 of 6 calls, 1 of 3 accounts"),
        ("mark", "", [1, 2, 3, 4, 5, 6], ""),
    ],
)
def test_calls_are_filtered_by_what_they_do(visit, select, value, numbers, said):
    page = visit(REPORT)
    page.driver.find_element("css selector", f"#{select} option[value='{value}']").click()
    assert shown(page) == numbers
    assert page.driver.find_element("id", "shown").text == said


@pytest.mark.parametrize(
    ("text", "numbers", "findings"),
    [
        ("SOUTHERN", [5], 0),
        ("0012345670", [3], 0),
        ("deactivated", [5], 0),
        ("region=north", [1, 2, 3, 4], 0),
        ("kayak", [], 1),
        ("nothing holds this", [], 0),
    ],
)
def test_calls_and_findings_are_filtered_by_text(visit, text, numbers, findings):
    page = visit(REPORT)
    page.driver.find_element("id", "text").send_keys(text)
    wait(page, "return document.getElementById('shown').textContent !== ''")
    assert shown(page) == numbers
    count = "return Array.from(document.querySelectorAll('.finding')).filter((one) => one.checkVisibility()).length"
    assert page.run(count) == findings


def test_all_calls_open_and_close_at_once(visit):
    page = visit(REPORT)
    opened = "return document.querySelectorAll('.step[open]').length"
    button = page.driver.find_element("id", "open")
    button.click()
    assert (page.run(opened), button.text) == (6, "Close all")
    button.click()
    assert (page.run(opened), button.text) == (0, "Open all")


# --- Print ---


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_print_shows_everything_even_what_a_filter_hides(visit, script):
    page = visit(REPORT, 800, script=script, dark=True)
    if script:
        page.driver.find_element("css selector", "#impact option[value=grant]").click()
        assert shown(page) == [1]
    page.device(800, media="print", script=script, dark=True)
    assert shown(page) == [1, 2, 3, 4, 5, 6]
    hidden = """
    return Array.from(document.querySelectorAll("details dl, details dd, .finding"))
      .filter((node) => !node.checkVisibility() || node.getBoundingClientRect().height === 0
        || node.closest("details")?.offsetHeight < node.offsetHeight).length;
    """
    assert page.run(hidden) == 0
    assert page.run("return document.getElementById('filters').checkVisibility()") is False
    assert page.run("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.run(LOOK, LEAST)["problems"] == []


def test_a_big_report_shows_all_in_print_too(visit):
    big = REPORT.replace("<body>", '<body class="many">')
    page = visit(big, 800, media="print")
    # Laid out or not, every account takes the room that it needs.
    assert page.run("return Array.from(document.querySelectorAll('.account')).every((a) => a.scrollHeight > 150)")
    assert page.run("return getComputedStyle(document.querySelector('.account')).contentVisibility") == "visible"
