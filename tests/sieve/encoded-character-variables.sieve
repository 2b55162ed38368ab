# expect: fileinto v
require ["encoded-character", "variables", "fileinto"];
set "name" "v"; set "v" "x";
fileinto "${hex:24}{name}";
