"""Who is asked, and in which order. Pure: it works on values it is given."""
