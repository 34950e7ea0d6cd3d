"""The report of a run: one document for machines, one page for people."""

from lathe_worker.report.document import Report
from lathe_worker.report.page import render
from lathe_worker.report.words import summary

__all__ = ["Report", "render", "summary"]
