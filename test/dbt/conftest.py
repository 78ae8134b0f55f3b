"""The marks of these tests."""


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: `make dbt` runs it, `make test` does not")
