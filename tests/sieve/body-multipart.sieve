# message: multipart.eml
# expect: fileinto a
# expect: fileinto b
# expect: fileinto c
# expect: fileinto d
# expect: fileinto e
# expect: fileinto g
# expect: fileinto h
# expect: fileinto i
require ["fileinto", "body"];
if body :text :contains "plain alternative" { fileinto "a"; }
if body :text :contains "html alternative" { fileinto "b"; }
if body :content "text/html" :contains "<b>alternative</b>" { fileinto "c"; }
if body :content "application/octet-stream" :contains "secret binary" { fileinto "d"; }
if body :content "application" :contains "secret binary" { fileinto "e"; }
if body :content "text" :contains "secret" { fileinto "f"; }
if body :content "" :contains "secret binary" { fileinto "g"; }
if body :raw :contains "c2VjcmV0" { fileinto "h"; }
if body :content ["image", "text/plain"] :contains "plain" { fileinto "i"; }
