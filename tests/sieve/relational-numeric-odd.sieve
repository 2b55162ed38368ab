# message: odd.eml
# expect: fileinto a
# expect: fileinto b
# expect: fileinto c
require ["fileinto", "relational", "comparator-i;ascii-numeric"];
if header :value "eq" :comparator "i;ascii-numeric" "x-number" "12" { fileinto "a"; }
if header :value "gt" :comparator "i;ascii-numeric" "x-none" "99999999" { fileinto "b"; }
if header :is :comparator "i;ascii-numeric" "x-none" "other" { fileinto "c"; }
