# expect: fileinto b
# expect: fileinto c
# expect: fileinto e
require ["fileinto", "body"];
if body :contains "the BODY of" { fileinto "a"; }
if body :text :contains "three lines" { fileinto "b"; }
if body :raw :contains "Price: 42" { fileinto "c"; }
if body :contains "Subject" { fileinto "d"; }
if body :matches "*is \\*the\\**" { fileinto "e"; }
