"""Which providers there are, and how the environment makes adapters of them."""

from typing import Any

import pytest

from ingestion.providers import registry
from marketdata_site import environment, runtime_config


@pytest.fixture
def environ(settings):
    """Let the environment hold these variables and no others."""

    def hold(**variables):
        settings.ENVIRONMENT = environment.load(variables)
        config = runtime_config.from_environment(settings.ENVIRONMENT)
        previous.append(runtime_config.install(lambda: config))

    previous: list[Any] = []
    yield hold
    if previous:
        runtime_config.install(previous[0])


def address(adapter):
    return adapter._http.base_url


def test_every_source_belongs_to_a_provider_whose_adapter_offers_it(environ):
    environ()
    gate = registry.OpenGate()
    for source in registry.sources():
        assert source in registry.adapter(source.provider, gate).sources()
        assert registry.source(source.name) is source
    assert {source.provider for source in registry.sources()} == set(registry.providers())


def test_names_that_do_not_exist_are_refused_with_those_that_do(environ):
    environ()
    with pytest.raises(registry.UnknownProvider, match="'bloomberg'; there are polygon, alpaca"):
        registry.adapter("bloomberg", registry.OpenGate())
    with pytest.raises(registry.UnknownSource, match="'alpaca'; there are polygon, alpaca:sip"):
        registry.source("alpaca")


def test_the_default_policies_name_sources_that_exist(environ):
    environ()
    for names in runtime_config.current().policies.values():
        for name in names:
            registry.source(name)


def test_a_gate_has_one_adapter_of_each_provider(environ):
    environ()
    one, other = registry.OpenGate(), registry.OpenGate()
    assert registry.adapter("polygon", one) is registry.adapter("polygon", one)
    assert registry.adapter("polygon", one) is not registry.adapter("polygon", other)


def test_another_environment_makes_another_adapter(environ):
    gate = registry.OpenGate()
    environ(POLYGON_BASE_URL="https://api.massive.com/")
    assert address(registry.adapter("polygon", gate)) == "https://api.massive.com"
    environ()
    assert address(registry.adapter("polygon", gate)) == "https://api.polygon.io"


def test_without_keys_only_yahoo_can_be_called(environ):
    environ()
    assert {name for name in registry.providers() if registry.has_key(name)} == {"yahoo"}
    assert {name for name in registry.providers() if registry.usable(name)} == {"yahoo"}


def test_keys_make_providers_usable(environ):
    environ(
        POLYGON_API_KEY="p",
        FINNHUB_API_KEY="f",
        ALPACA_API_KEY_ID="i",
        ALPACA_API_SECRET_KEY="s",
        IEX_TOKEN="t",
    )
    assert all(registry.has_key(name) for name in registry.providers())
    assert not registry.usable("iex")  # has its token, but is off unless it is switched on
    assert registry.usable("alpaca")


def test_iex_can_be_switched_on(environ):
    environ(PROVIDERS_ENABLED="iex", IEX_TOKEN="t")
    assert registry.usable("iex")
    assert not registry.usable("yahoo")


def test_a_provider_that_does_not_exist_is_not_usable(environ):
    environ()
    assert not registry.usable("bloomberg")


@pytest.mark.parametrize("name", ["polygon", "alpaca", "finnhub", "yahoo", "iex"])
def test_the_sandbox_takes_every_providers_place_and_keys(environ, name):
    environ(SANDBOX_URL="http://127.0.0.1:9/", POLYGON_API_KEY="real", IEX_TOKEN="real")
    adapter: Any = registry.adapter(name, registry.OpenGate())
    assert address(adapter) == f"http://127.0.0.1:9/{name}"
    assert registry.has_key(name)
    assert "real" not in adapter._http._secrets
