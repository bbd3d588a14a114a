"""Streams of events as a busy, faulty or hostile PBX sends them: every legal order, hostile bytes, a million calls."""
