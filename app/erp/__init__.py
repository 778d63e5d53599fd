"""What the ERP tells: orders, shipments, invoices, payments and stock, many at once and safe to repeat."""
