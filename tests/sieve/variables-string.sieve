# expect: fileinto a
# expect: fileinto b Hello orld
# expect: fileinto c
# expect: fileinto d
# expect: fileinto e
require ["fileinto", "variables", "relational", "comparator-i;ascii-numeric"];
set "a" "Hello"; set "e" "";
if string :comparator "i;ascii-casemap" "${a}" "hello" { fileinto "a"; }
if string :matches "${a} world" "* w*" { fileinto "b ${1} ${2}"; }
if string :count "eq" :comparator "i;ascii-numeric" ["${a}", "${e}", "x"] "2" { fileinto "c"; }
if string :value "gt" :comparator "i;ascii-numeric" "10" "9" { fileinto "d"; }
if string :is "${e}" "" { fileinto "e"; }
