"""Who gets in, with what, for how long; and the console's files: what test_web.py does not ask."""
import gzip
import http.client
import json
import os
import socket
import threading
import time
import urllib.parse

import pytest

from conftest import PASSWORD, wait_for
from test_web import ADMIN, ALICE, Answer, admin, call, raw, reachable, sign_in

INDEX = b"<!doctype html><title>console</title>" + b"<p>a page of the console</p>" * 100
SCRIPT = b"console.log('a script of the console');\n" * 2000


# --- pages and files of the console ---


# --- signing in ---
