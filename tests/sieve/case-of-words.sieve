# expect: fileinto a
REQUIRE "fileinto";
IF Header :CONTAINS "SUBJECT" "quick" { FileInto "a"; } ELSE { keep; }
