# expect: fileinto a
# expect: fileinto b
# expect: fileinto c
# expect: fileinto d
# expect: fileinto e
# expect: fileinto f
require "fileinto";
if address :is "from" "tim@EXAMPLE.com" { fileinto "a"; }
if address :localpart "from" "tim" { fileinto "b"; }
if address :domain :is "from" "example.com" { fileinto "c"; }
if address :all :contains ["to", "cc"] "other" { fileinto "d"; }
if address :domain :matches "cc" "*.example.net" { fileinto "e"; }
if address :localpart "to" ["x", "OTHER"] { fileinto "f"; }
if address :is "from" "Tim Tester <tim@example.com>" { fileinto "g"; }
if address :is "reply-to" "" { fileinto "h"; }
