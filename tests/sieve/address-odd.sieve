# message: odd.eml
# expect: fileinto a
# expect: fileinto c
# expect: fileinto d
require "fileinto";
if address :is "from" "not an address" { fileinto "a"; }
if address :localpart :contains "from" "not" { fileinto "b"; }
if address :localpart "sender" "quoted local" { fileinto "c"; }
if address :is "to" "second@example.org" { fileinto "d"; }
