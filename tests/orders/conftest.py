"""A company that sells oil, fresh for each test."""

from tests.orders.trade import trade as trade
