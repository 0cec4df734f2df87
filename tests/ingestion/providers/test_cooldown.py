"""Pauses after refusals that name no time."""

from ingestion.providers.cooldown import Cooldown


class Hands:
    now = 0.0

    def __call__(self):
        return self.now


def test_pauses_double_up_to_the_longest():
    hands = Hands()
    cooldown = Cooldown(10, 60, hands)
    pauses = []
    for _ in range(5):
        pauses.append(cooldown.next())
        hands.now += 1_000
    assert pauses == [10, 20, 40, 60, 60]


def test_refusals_during_a_pause_count_once():
    hands = Hands()
    cooldown = Cooldown(10, 60, hands)
    assert [cooldown.next() for _ in range(16)] == [10] * 16
    hands.now = 10
    assert cooldown.next() == 20


def test_an_answer_starts_it_over():
    hands = Hands()
    cooldown = Cooldown(10, 60, hands)
    cooldown.next()
    hands.now = 10
    cooldown.next()
    hands.now = 30
    cooldown.over()
    assert cooldown.next() == 10


def test_an_answer_that_was_under_way_does_not():
    hands = Hands()
    cooldown = Cooldown(10, 60, hands)
    cooldown.next()
    hands.now = 5
    cooldown.over()
    hands.now = 10
    assert cooldown.next() == 20
