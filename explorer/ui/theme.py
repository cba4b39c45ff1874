"""The look of Gradio's own components: one accent, one neutral scale, fonts from this server."""

from __future__ import annotations

import gradio as gr
from gradio.themes.utils.colors import Color
from gradio.themes.utils.fonts import LocalFont

from explorer.render.palette import ROLES


def make_theme() -> gr.themes.Base:
    """The theme; it asks no other server for a font."""
    theme = gr.themes.Base(
        primary_hue=_ACCENT,
        secondary_hue=_ACCENT,
        neutral_hue=_NEUTRAL,
        font=[LocalFont("IBM Plex Sans", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=[LocalFont("IBM Plex Mono", weights=(400,)), "ui-monospace", "monospace"],
        radius_size=gr.themes.sizes.radius_md,
        spacing_size=gr.themes.sizes.spacing_sm,
        text_size=gr.themes.sizes.text_md,
    )
    return theme.set(**_roles())


def _roles() -> dict[str, str]:
    """Gradio's variables that have to agree with the stage's."""
    roles = {}
    for variable, role in _BY_ROLE.items():
        roles[variable] = ROLES[role].light
        roles[f"{variable}_dark"] = ROLES[role].dark
    return roles | _PLAIN


# Gradio variable -> role of the palette, which has a light and a dark colour.
_BY_ROLE = {
    "body_background_fill": "page",
    "body_text_color": "ink",
    "body_text_color_subdued": "ink-soft",
    "background_fill_primary": "surface",
    "background_fill_secondary": "sunken",
    "block_background_fill": "page",
    "block_label_text_color": "ink-soft",
    "block_title_text_color": "ink-soft",
    "block_info_text_color": "ink-soft",
    "border_color_primary": "line",
    "border_color_accent": "accent",
    "input_background_fill": "surface",
    "input_border_color": "line",
    "input_border_color_focus": "accent",
    "checkbox_background_color": "surface",
    "checkbox_border_color": "line-strong",
    "checkbox_background_color_selected": "accent",
    "checkbox_border_color_selected": "accent",
    "button_primary_background_fill": "accent",
    "button_primary_background_fill_hover": "accent",
    "button_primary_text_color": "on-accent",
    "button_primary_text_color_hover": "on-accent",
    "button_secondary_background_fill": "surface",
    "button_secondary_background_fill_hover": "sunken",
    "button_secondary_border_color": "line",
    "button_secondary_text_color": "ink",
    "button_secondary_text_color_hover": "ink",
}

# Gradio draws boxes around everything; the page has none.
_PLAIN = {
    "block_border_width": "0px",
    "input_border_width": "1px",
    "button_border_width": "1px",
    "button_small_text_weight": "400",
    "block_shadow": "none",
    "block_padding": "0px",
    "button_primary_shadow": "none",
    "button_secondary_border_color_hover": ROLES["line-strong"].light,
    "button_secondary_border_color_hover_dark": ROLES["line-strong"].dark,
    "input_shadow": "none",
    "layout_gap": "14px",
    "block_label_text_size": "13px",
    "block_title_text_size": "13px",
    "block_title_text_weight": "400",
    "checkbox_label_background_fill": "transparent",
    "checkbox_label_background_fill_hover": "transparent",
    "checkbox_label_background_fill_selected": "transparent",
    "checkbox_label_border_width": "0px",
    "checkbox_label_border_width_dark": "0px",
    "checkbox_label_background_fill_dark": "transparent",
    "checkbox_label_background_fill_hover_dark": "transparent",
    "checkbox_label_background_fill_selected_dark": "transparent",
    "checkbox_label_padding": "4px 2px",
    "checkbox_label_shadow": "none",
}


_ACCENT = Color(
    c50="#F4F4FE",
    c100="#ECECFB",
    c200="#DBDBF8",
    c300="#C2C2F4",
    c400="#A5A6FF",
    c500="#6C6ADB",
    c600="#4A48C8",
    c700="#3C3AA8",
    c800="#302E86",
    c900="#26264A",
    c950="#14143A",
)

_NEUTRAL = Color(
    c50="#FAFAF9",
    c100="#F3F3F1",
    c200="#E3E3DF",
    c300="#CDCDC8",
    c400="#A5AAB1",
    c500="#7A808A",
    c600="#585E67",
    c700="#3A3F46",
    c800="#2D3137",
    c900="#191C20",
    c950="#111316",
)
