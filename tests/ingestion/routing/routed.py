"""A routed request among fakes, and the words to say what came of it."""

from __future__ import annotations

from prometheus_client import REGISTRY

from ingestion.domain.source import Scope, Source
from ingestion.providers.base import BarAnswer, BarRequest
from ingestion.providers.errors import ProviderError
from ingestion.routing.answers import RoutedAnswer
from ingestion.routing.router import Router
from marketdata_site.runtime_config import RuntimeConfig
from tests.ingestion.routing.fakes import SPLIT, FakeCatalogue, Script, answer, config, source

SIP, POLYGON, YAHOO = source("alpaca:sip"), source("polygon"), source("yahoo", SPLIT)
VENUE = source("alpaca:iex", scope=Scope.VENUE)
POLICY = ("alpaca:sip", "polygon", "yahoo")


def catalogue_of(*sources: Source, keyless: tuple[str, ...] = ()) -> FakeCatalogue:
    return FakeCatalogue(*(sources or (SIP, POLYGON, YAHOO)), keyless=keyless)


def routed(
    catalogue: FakeCatalogue,
    wanted: BarRequest,
    settings: RuntimeConfig | None = None,
    hint: str | None = None,
) -> RoutedAnswer:
    """The answer, checked for what always holds."""
    result = Router(catalogue, lambda: settings or config(*POLICY)).route(wanted, hint)
    everyone = [index for part in result.parts for index in part.instruments]
    assert sorted([*everyone, *result.failures]) == list(range(len(wanted.instruments)))
    for part in result.parts:
        asked = part.answer.request.instruments
        assert asked == tuple(wanted.instruments[index] for index in part.instruments)
        assert set(part.answer.coverage) == set(range(len(asked)))
        assert part.answer.failures == {}
        assert part.answer.bars.owner.tolist() == list(range(len(asked)))  # one bar each
        assert len(part.reason) <= 200
    assert sorted(result.choices) == sorted(everyone)
    return result


def chosen(result: RoutedAnswer) -> dict[str, tuple[str, str]]:
    """ticker → source and reason."""
    instruments = result.request.instruments
    return {
        instruments[index].ticker: (choice.source.name, choice.reason)
        for index, choice in sorted(result.choices.items())
    }


def error(kind: type[ProviderError], provider: str = "alpaca") -> ProviderError:
    return kind(provider, "bars", "as told")


def always(outcome: ProviderError) -> Script:
    return lambda _: outcome


def partly(of: Source, **failures: ProviderError) -> Script:
    """Fails for some tickers and answers for the others."""

    def script(wanted: BarRequest) -> BarAnswer:
        present = {item.ticker for item in wanted.instruments}
        return answer(of, wanted, failures={t: e for t, e in failures.items() if t in present})

    return script


def counted(name: str, labels: dict[str, str]) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0
