//! Names of options, and what is suggested for those that are wrong.

use super::*;

#[test]
fn every_option_of_a_user_is_documented() {
    let fits = [
        KMEANS,
        EVALUATE,
        GMM,
        GMM_EVALUATE,
        PCA,
        SUMMARY,
        CLV,
        SURVEY,
        START,
        STEP,
        NEXT,
        ITERATE,
    ];
    let mut accepted: Vec<&str> = fits.concat();
    accepted.retain(|name| !INTERNAL.contains(name));
    accepted.sort_unstable();
    accepted.dedup();
    let mut documented: Vec<&str> = REFERENCE.iter().map(|option| option.name).collect();
    documented.sort_unstable();
    assert_eq!(accepted, documented);
}

#[test]
fn a_misspelt_option_or_value_suggests_the_one_that_was_meant() {
    let values = [Scale::NAMES, Nulls::NAMES, Covariance::NAMES];
    for accepted in [KMEANS, EVALUATE, GMM, PCA, SUMMARY, CLV].into_iter().chain(values) {
        for meant in accepted.iter().copied().filter(|name| name.len() > 2) {
            for misspelt in [
                format!("{meant}s"),
                meant[..meant.len() - 1].to_string(),
                meant.to_uppercase() + "_",
            ] {
                assert_eq!(suggestion(&misspelt, accepted), Some(meant), "{misspelt}");
            }
        }
    }
    assert_eq!(suggestion("wholly_unlike", KMEANS), None);
}

#[test]
fn words_of_other_tools_suggest_ours_where_the_function_has_it() {
    let ours = [KMEANS, GMM, PCA, Scale::NAMES, Nulls::NAMES].concat();
    for (theirs, meant) in KNOWN_ELSEWHERE {
        assert_eq!(suggestion(theirs, &ours), Some(*meant));
    }
    assert_eq!(suggestion("random_state", SUMMARY), None);
}
