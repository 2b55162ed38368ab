# message: odd.eml
# expect: fileinto a
# expect: fileinto b
# expect: fileinto d
require "fileinto";
if header "x-caps" "hello world" { fileinto "a"; }
if header :comparator "i;octet" "x-caps" "HeLLo WoRLD" { fileinto "b"; }
if header :comparator "i;octet" :contains "x-caps" "hello" { fileinto "c"; }
if header :comparator "i;octet" :matches "x-caps" "He* *" { fileinto "d"; }
