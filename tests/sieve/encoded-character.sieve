# expect: fileinto a${b}
# expect: fileinto x ¬@${hex:zz}A
require ["encoded-character", "fileinto"];
if header :contains "subject" "${hex:71 75 69 63 6b}" { fileinto "a${hex:24}{b}"; }
fileinto "x${unicode:20 ac}${hex: 40}${hex:zz}${HEX:41}";
