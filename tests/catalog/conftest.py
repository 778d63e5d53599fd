from tests.catalog.shop import shop as shop
