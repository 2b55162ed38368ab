# expect: fileinto 1 15
# expect: fileinto 2 jumbled letters
# expect: fileinto 3 JuMBlEd lETteRS
# expect: fileinto 4 Jumbled letters
# expect: fileinto 5 Rock\*\?\\
# expect: fileinto 6 jUMBLED LETTERS
# expect: fileinto 7 3
# expect: fileinto 8 4
require ["fileinto", "variables"];
set "a" "juMBlEd lETteRS";
set :length "b" "${a}"; fileinto "1 ${b}";
set :lower "b" "${a}"; fileinto "2 ${b}";
set :upperfirst "b" "${a}"; fileinto "3 ${b}";
set :upperfirst :lower "b" "${a}"; fileinto "4 ${b}";
set :quotewildcard "b" "Rock*?\\"; fileinto "5 ${b}";
set :lowerfirst :upper "b" "${a}"; fileinto "6 ${b}";
set :length "b" "äöü"; fileinto "7 ${b}";
set :quotewildcard :length "b" "**"; fileinto "8 ${b}";
