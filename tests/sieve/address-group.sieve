# message: multipart.eml
# expect: fileinto b
# expect: fileinto c
# expect: fileinto d
require "fileinto";
if address :is "to" "" { fileinto "a"; }
if address :contains "to" "undisclosed" { fileinto "b"; }
if address :contains "from" "anna" { fileinto "c"; }
if address :domain "from" "example.com" { fileinto "d"; }
