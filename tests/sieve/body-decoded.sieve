# message: list.eml
# expect: fileinto a
# expect: fileinto b
# expect: fileinto c
# expect: fileinto e
require ["fileinto", "body"];
if body :text :contains "Grüße" { fileinto "a"; }
if body :text :contains "and a joined" { fileinto "b"; }
if body :raw :contains "Gr=FC" { fileinto "c"; }
if body :raw :contains "and a joined" { fileinto "d"; }
if body :content "text" :contains "München" { fileinto "e"; }
if body :content "text/html" :contains "M" { fileinto "f"; }
