"""What customers owe: invoices, payments, ageing and credit."""
