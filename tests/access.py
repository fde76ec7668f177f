"""What must hold of every view: no serious fault that axe-core finds, and room on the smallest phone."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from browser import PHONE, picture_of

SMALL = (320, 640)
"""A phone of the smallest kind, or a desk at 400 % (WCAG 2.2, 1.4.10)."""

LEAST = 24
"""Pixels of a target's side (WCAG 2.2, 2.5.8)."""

OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}


def faults(axe: Axe, page: Page) -> list[str]:
    """What axe-core finds to be serious or critical."""
    found = axe.run(page, options=OPTIONS).response["violations"]
    return [
        f"{each['id']}: {node['target']} {node['html'][:200]} {node['failureSummary']}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def at_rest(page: Page) -> None:
    """Waits for pictures, motion and searches, so that nothing is measured half shown. A dialog may hold a
    search up."""
    page.wait_for_function(
        """() => (!document.body.classList.contains("busy") || document.querySelector("dialog:modal"))
          && [...document.images].every((img) => img.complete || !img.checkVisibility())
          && document.getAnimations().every((one) => one.playState !== "running"
            || one.effect.getTiming().iterations === Infinity)"""
    )


_TOO_WIDE = """() => {
  const wide = document.documentElement.clientWidth;
  const scrolls = (node) => node && (["auto", "scroll", "hidden"].includes(getComputedStyle(node).overflowX)
    || scrolls(node.parentElement));
  return [...document.querySelectorAll("body *")].filter((node) => {
    const {left, right, width} = node.getBoundingClientRect();
    return width && node.checkVisibility({visibilityProperty: true, opacityProperty: true})
      && (right > wide + 1 || left < -1) && !scrolls(node.parentElement) && !node.closest(".unseen, .skip");
  }).map((node) => `${node.tagName} ${node.className} ${node.textContent.slice(0, 40)}`);
}"""

_SMALL_TARGETS = """(least) => {
  const open = document.querySelectorAll("dialog:modal, :popover-open:not(.toasts)");
  const top = [...open].at(-1) ?? document.body;
  const seen = {visibilityProperty: true, opacityProperty: true};
  const parts = [...top.querySelectorAll("button, a[href], input, summary, [role=button], [tabindex='0']")]
    .filter((node) => !node.disabled && node.checkVisibility(seen)
      && !node.closest(".unseen, .skip") && node.getBoundingClientRect().width > 1);
  const size = (node) => (node.closest("label") ?? node).getBoundingClientRect();
  return parts.filter((node) => size(node).width < least - .5 || size(node).height < least - .5)
    .map((node) => `${node.tagName} ${node.className} ${node.ariaLabel ?? node.textContent.slice(0, 30)} `
      + `${Math.round(size(node).width)}x${Math.round(size(node).height)}`);
}"""


def check_for_everyone(page: Page, name: str, axe: Axe) -> None:
    """Light and dark, by axe-core. The page is opened `still`."""
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    at_rest(page)
    picture_of(page, f"{name}-light")
    assert faults(axe, page) == []
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    at_rest(page)
    picture_of(page, f"{name}-dark")
    assert faults(axe, page) == []


def check_on_phones(page: Page, name: str, axe: Axe) -> None:
    """No sideways scrolling at 360 and 320 pixels, and every target is large enough for a finger."""
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    at_rest(page)
    picture_of(page, f"phone-{name}-light")
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    picture_of(page, f"phone-{name}-dark")
    for width, height in (PHONE, SMALL):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(80)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"scrolls at {width}"
        assert page.evaluate(_TOO_WIDE) == [], f"beyond the edge at {width}"
    assert page.evaluate(_SMALL_TARGETS, LEAST) == []
    picture_of(page, f"small-{name}")
    assert faults(axe, page) == []
