# expect: fileinto a
# expect: fileinto c
require "fileinto";
if exists ["From", "SUBJECT"] { fileinto "a"; }
if exists ["From", "X-Missing"] { fileinto "b"; }
if exists "X-Empty" { fileinto "c"; }
