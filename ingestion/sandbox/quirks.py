"""Vendors' habits that can be switched: the defaults are what the vendors do."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError


class Quirks(BaseModel):
    """Each field names the vendor and its habit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    polygon_forming_minute: bool = True
    """The minute that has not ended yet is served as far as it got."""
    polygon_null_results: bool = False
    """An empty answer has `results: null` instead of none."""
    polygon_delayed: bool = False
    """A plan with 15 minutes' delay: younger bars are absent and the status says DELAYED."""
    alpaca_revises: bool = True
    """Half a minute after its end a bar may still change: late trades come in."""
    alpaca_free_plan: bool = False
    """403 for consolidated bars younger than 15 minutes."""
    finnhub_loses_trades: bool = True
    """About one minute in a hundred is absent although it traded."""
    finnhub_free_plan: bool = False
    """403 for all candles."""
    yahoo_crumb: bool = True
    """Charts need the cookie and its crumb."""
    yahoo_live_row: bool = True
    """A row off the minute grid, the last trade, is appended even past period2."""
    yahoo_absent_rows: bool = True
    """Some minutes without a trade have no row at all instead of nulls."""
    yahoo_extended_unasked: bool = False
    """Rows outside regular hours come although includePrePost=false."""
    yahoo_single_precision: bool = False
    """Prices come with the digits of 32-bit floats, such as 75.0875015258789."""

    @classmethod
    def parse(cls, settings: list[str]) -> Quirks:
        """Read `name=on` and `name=off`. Raises ValueError naming the one that is wrong."""
        values: dict[str, bool] = {}
        for setting in settings:
            name, _, state = setting.partition("=")
            if state not in ("on", "off") or name not in cls.model_fields:
                known = ", ".join(cls.model_fields)
                raise ValueError(f"{setting!r} is no quirk: write NAME=on or NAME=off with {known}")
            values[name] = state == "on"
        return cls(**values)

    def changed(self, values: dict[str, object]) -> Quirks:
        """These quirks with some set anew. Raises ValueError naming unknown ones."""
        try:
            return Quirks.model_validate({**self.model_dump(), **values})
        except ValidationError as error:
            raise ValueError(str(error)) from error
