# expect: fileinto a
# expect: fileinto b
# expect: fileinto c
# expect: fileinto d
# expect: fileinto e
require ["fileinto", "relational", "comparator-i;ascii-numeric"];
if header :count "eq" :comparator "i;ascii-numeric" "x-multi" "3" { fileinto "a"; }
if header :count "ge" :comparator "i;ascii-numeric" ["x-multi", "subject"] "4" { fileinto "b"; }
if header :count "eq" :comparator "i;ascii-numeric" "x-missing" "0" { fileinto "c"; }
if address :count "eq" :comparator "i;ascii-numeric" ["to", "cc"] "3" { fileinto "d"; }
if header :count "lt" :comparator "i;ascii-numeric" "x-multi" ["1", "5"] { fileinto "e"; }
