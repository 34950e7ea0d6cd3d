"""The report of a run: one document for machines, one page for people."""

from lathe_worker.report.document import Report
from lathe_worker.report.metrics import summary
from lathe_worker.report.page import render

__all__ = ["Report", "render", "summary"]
