# expect: fileinto a
# expect: fileinto c
# expect: fileinto d
# expect: fileinto e
# expect: fileinto f
# expect: fileinto g
require ["fileinto", "relational", "comparator-i;ascii-numeric"];
if header :value "ge" :comparator "i;ascii-numeric" "x-spam-score" "7" { fileinto "a"; }
if header :value "gt" :comparator "i;ascii-numeric" "x-spam-score" "7" { fileinto "b"; }
if header :value "eq" :comparator "i;ascii-numeric" "x-priority" "3" { fileinto "c"; }
if header :value "lt" "subject" "Theory" { fileinto "d"; }
if header :value "ne" "subject" "x" { fileinto "e"; }
if header :value "le" :comparator "i;octet" "subject" "the" { fileinto "f"; }
if header :is :comparator "i;ascii-numeric" "x-priority" "3" { fileinto "g"; }
