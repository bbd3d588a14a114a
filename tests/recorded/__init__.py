"""What the tests and the maker of recordings share: telling a recording's story, and joining it in the middle."""
