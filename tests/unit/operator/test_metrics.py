"""What Prometheus is told, and at which address."""

import aiohttp
from prometheus_client import CollectorRegistry, generate_latest

from lathe_operator import health
from lathe_operator.metrics import PhaseCollector


def test_resources_are_counted_by_phase_when_somebody_asks() -> None:
    registry = CollectorRegistry()
    phases = {"Running": 2, "": 1}
    registry.register(PhaseCollector(lambda: phases))

    phases["Failed"] = 3
    told = generate_latest(registry).decode()

    assert 'lathe_resources{phase="Running"} 2.0' in told
    assert 'lathe_resources{phase="Pending"} 1.0' in told
    assert 'lathe_resources{phase="Failed"} 3.0' in told


async def test_the_process_answers_for_its_life_its_readiness_and_its_metrics() -> None:
    fault: list[str] = ["the watches have not begun"]

    async with (
        health.served("127.0.0.1", 0, readiness=lambda: fault[0] if fault else None) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        async with session.get("/healthz") as answer:
            assert answer.status == 200
        async with session.get("/readyz") as answer:
            assert (answer.status, await answer.text()) == (503, fault[0])
        fault.clear()
        async with session.get("/readyz") as answer:
            assert answer.status == 200
        async with session.get("/metrics") as answer:
            assert "lathe_reconcile_seconds" in await answer.text()
