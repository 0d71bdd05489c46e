"""The paper's claims at our size, table by table."""
