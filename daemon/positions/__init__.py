"""The paper account: fills at the next open, exact books, marks, and the band around every figure."""
