# expect: fileinto a
# expect: fileinto c
require "fileinto";
if anyof(false, header :contains "subject" "QUICK") { fileinto "a"; }
if allof(true, header :contains "subject" "slow") { fileinto "b"; }
if not anyof(false, false) { fileinto "c"; }
