"""Fifty methods are found by family and by search, and idle parameters say why they are."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from e2e.steps import lane, specs
from explorer.decoders import CATALOG
from explorer.decoders.families import FAMILIES
from explorer.decoders.orders import ORDERS, reordered
from explorer.decoders.spec import parse

CHAINS = (
    "temperature+greedy",
    "temperature+xtc+greedy",
    "temperature:temperature=1+nucleus",
    "nucleus:p=1+top_k:k=0+greedy",
    "locally_typical+greedy",
    "presence_penalty:penalty=0+min_p",
    "top_h:h=1,rule=code+beam",
    "top_k+repetition_penalty:penalty=1+greedy",
    "epsilon+forced+greedy",
    "dynamic_temperature:low=1,high=1+momentum",
)
STAGES = (
    "best_of_n:rule=mbr",
    "best_of_n:n=1",
    "best_of_n:rule=borda",
    'latent_point:point="0.5 0.5"',
    "latent_point",
    "xtc:threshold=0.6",
    "momentum:alpha=0",
)


def open_editor(page: Page, spec: str) -> None:
    lane(page, 0).locator(".gx-more").click()
    lane(page, 0).locator(".gx-field .gx-spec").fill(spec)


def open_picker(page: Page) -> None:
    lane(page, 0).locator(".gx-method-button").first.click()


def test_methods_stand_under_their_families_in_the_catalogues_order(page: Page, shoot) -> None:
    open_editor(page, "greedy")
    open_picker(page)
    found = lane(page, 0).locator(".gx-method code").all_text_contents()
    assert sorted(found) == sorted(CATALOG)
    headings = lane(page, 0).locator(".gx-family strong").all_text_contents()
    assert headings == list(FAMILIES.values())
    nucleus = lane(page, 0).locator('.gx-method[data-name="nucleus"]')
    for words in (CATALOG["nucleus"].summary, "Holtzman", CATALOG["nucleus"].look_for):
        expect(nucleus).to_contain_text(words)
    shoot(page, "picker")


def test_a_method_is_found_by_name_paper_alias_and_words_and_picked_by_keys(page: Page) -> None:
    open_editor(page, "greedy")
    open_picker(page)
    box = lane(page, 0).get_by_role("combobox", name="Find a method")
    expect(box).to_be_focused()
    for typed, name in (
        ("typ_p", "locally_typical"),
        ("holtzman", "nucleus"),
        ("kirchenbauer", "kgw"),
        ("mirostat", "mirostat"),
        ("json_schema", "grammar"),
    ):
        box.fill(typed)
        found = lane(page, 0).locator(".gx-method code").all_text_contents()
        assert name in found, typed
        assert len(found) < 10, typed
    box.fill("zzz")
    expect(lane(page, 0).locator(".gx-picker [role=status]")).to_contain_text("Nothing here")
    box.fill("beam search")
    expect(lane(page, 0).locator('[aria-selected="true"]')).to_have_count(1)
    box.press("ArrowDown")
    chosen = lane(page, 0).locator('[aria-selected="true"]').get_attribute("data-name")
    box.press("Enter")
    assert specs(page)[0] == parse(str(chosen)).canonical
    expect(lane(page, 0).locator(".gx-method-button")).to_be_focused()


def test_escape_leaves_the_list_and_only_then_the_settings(page: Page) -> None:
    open_editor(page, "nucleus")
    before = specs(page)[0]
    open_picker(page)
    page.keyboard.press("Escape")
    expect(lane(page, 0).locator(".gx-picker")).to_have_count(0)
    expect(lane(page, 0).locator(".gx-method-button")).to_be_focused()
    page.keyboard.press("Escape")
    expect(lane(page, 0).locator(".gx-editor")).to_have_count(0)
    assert specs(page)[0] == before


def test_what_cannot_stand_there_is_not_offered(page: Page) -> None:
    open_editor(page, "classifier_free_guidance+nucleus+beam")
    lane(page, 0).locator(".gx-method-button").nth(1).click()
    offered = set(lane(page, 0).locator(".gx-method code").all_text_contents())
    assert "nucleus" in offered
    assert "dola" in offered
    second = {info.name for info in CATALOG.items() if info.second is not None}
    choosers = {info.name for info in CATALOG.items() if info.kind == "chooser"}
    assert not offered & (second | choosers)
    page.keyboard.press("Escape")
    lane(page, 0).locator(".gx-field .gx-spec").fill("contrastive_decoding+product_of_experts")
    expect(lane(page, 0).locator(".gx-problem")).to_contain_text("second context")


def test_the_page_knows_what_does_nothing_as_the_server_does(page: Page) -> None:
    muted = page.evaluate(
        """(specs) => specs.map((spec) => {
            const { catalog } = Explorer.stage;
            return Explorer.reasons.muted(catalog, catalog.parse(spec)).filter(Boolean);
        })""",
        list(CHAINS),
    )
    assert muted == [list(parse(spec).muted) for spec in CHAINS]
    idle = page.evaluate(
        """(specs) => specs.map((spec) => {
            const { catalog } = Explorer.stage;
            const [stage] = catalog.parse(spec);
            const reasons = Explorer.reasons.idle(catalog.get(stage.name), stage.params);
            return Object.fromEntries(reasons);
        })""",
        list(STAGES),
    )
    chains = [parse(spec) for spec in STAGES]
    assert idle == [(c.chooser if c.explicit_chooser else c.processors[0]).idle for c in chains]


def test_idle_parameters_are_greyed_with_the_reason_as_soon_as_they_are(page: Page) -> None:
    open_editor(page, "best_of_n")
    power = lane(page, 0).locator('[data-param="power"]')
    expect(power).to_contain_text("power does nothing: only rule=borda counts votes.")
    lane(page, 0).locator('[data-param="rule"] select').select_option("borda")
    expect(power).not_to_contain_text("does nothing")
    lane(page, 0).locator(".gx-field .gx-spec").fill("presence_penalty+nucleus")
    lane(page, 0).locator('[data-param="penalty"] .gx-number').fill("0")
    first = lane(page, 0).locator(".gx-stage-item").first
    expect(first.locator(".gx-muted-note")).to_have_text(
        "presence penalty does nothing at penalty=0."
    )
    idle = first.locator(".gx-idle")
    assert [row.get_attribute("data-param") for row in idle.all()] == ["window", "slope", "prompt"]


def test_a_button_puts_the_stages_into_a_named_order(page: Page) -> None:
    spec = 'nucleus+no_repeat_ngram+dynamic_temperature+forced:begin="a+b"+top_k+mirostat'
    for order in ORDERS.items():
        page.reload()
        page.wait_for_selector(".gx-lane")
        open_editor(page, spec)
        lane(page, 0).locator(".gx-orders").get_by_role("button", name=order.title).click()
        assert specs(page)[0] == reordered(parse(spec), order.name).canonical


def test_a_method_is_added_by_choosing_it(page: Page) -> None:
    page.click(".gx-add")
    added = lane(page, 5)
    expect(added.get_by_role("combobox", name="Find a method")).to_be_focused()
    page.keyboard.type("smc power")
    page.keyboard.press("Enter")
    assert specs(page)[5] == parse("power_smc").canonical
    expect(added.locator(".gx-stage-item")).to_have_count(1)
