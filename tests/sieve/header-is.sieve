# expect: fileinto casemap
# expect: fileinto empty
# expect: fileinto contains-empty
require "fileinto";
if header :is "subject" "the QUICK brown fox" { fileinto "casemap"; }
if header :comparator "i;octet" :is "subject" "the QUICK brown fox" { fileinto "octet"; }
if header :is "x-empty" "" { fileinto "empty"; }
if header :is "x-missing" "" { fileinto "missing"; }
if header :contains "x-missing" "" { fileinto "contains-missing"; }
if header :contains "x-empty" "" { fileinto "contains-empty"; }
