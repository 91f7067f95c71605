"""The reporter's job: what is told of the whole fleet, beside what each check tells."""
