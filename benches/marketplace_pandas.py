"""The two ways of benches/marketplace.py over pandas: final figures only, and the tables of sql/marketplace, kept as files.

Written as one writes it in pandas 3 for speed: columns at a time, the reader of pyarrow, text that repeats as categories,
sums of visits instead of events. A way gets the CSV file, a folder for what it keeps and a clock to call after each part.
"""

import difflib
import hashlib
import sys

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

COLUMNS = [
    "event_time", "event_type", "product_id", "category_id", "category_code", "brand", "price", "user_id", "user_session",
]  # fmt: skip
REPEATED = ["event_type", "category_id", "category_code", "brand"]
EVENT_TYPES = ["view", "cart", "remove_from_cart", "purchase"]
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
# A cast fails at numbers that are too large for the type; of an identifier 18 digits are always small enough.
IDENTIFIER = "0*[0-9]{1,18}"
PRICE = r"-?0*[0-9]{1,8}(\.[0-9]{1,2}0*)?"
SUMS = {name: (name, "sum") for name in ("events", "views", "carts", "purchases", "revenue")}
LOGARITHMIC = ["total_events", "total_views", "total_purchases", "total_spent", "avg_basket"]


def final_figures(path, folder, clock):
    """Types at reading, everything in memory, nothing kept."""
    # Numbers with gaps are floats, which are exact up to 2^53.
    events = pd.read_csv(
        path, engine="pyarrow", on_bad_lines="skip", parse_dates=["event_time"], date_format="%Y-%m-%d %H:%M:%S UTC",
        dtype={
            "event_type": "category", "product_id": "int64", "category_id": "int64", "category_code": "category",
            "brand": "category", "price": "float64", "user_id": "float64", "user_session": "str",
        },
    )  # fmt: skip
    clock("00_raw")
    again = duplicates(events)
    events["event_type"] = events.event_type.map(spellings(events.event_type))
    whole = events[["event_time", "event_type", "user_id", "price"]].notna().all(axis=1)
    events = events[whole & events.user_session.str.fullmatch(UUID) & (events.price >= 0) & ~again]
    events = events.assign(
        user_id=events.user_id.astype("int64"), **category_levels(events.category_code)
    )
    clock("10_clean")
    tables = kpis(events)
    clock("20_kpi")
    tables |= segments(tables["user_features"])
    clock("30_user_segments")
    return {"clean.events": len(events), **figures(tables)}


def kept_tables(path, folder, clock):
    """The same tables as sql/marketplace, each a Parquet file; without names of segments, their picture, further runs."""
    raw, files, bad_lines = read_text(path)
    raw.to_parquet(folder / "raw.all_events.parquet")
    files.to_parquet(folder / "raw.loaded_files.parquet")
    bad_lines.to_parquet(folder / "raw.rejected_lines.parquet")
    clock("00_raw")
    events, rejected, corrections = clean(raw)
    events.to_parquet(folder / "clean.events.parquet")
    rejected.to_parquet(folder / "clean.rejected_events.parquet")
    corrections.to_parquet(folder / "clean.corrections.parquet")
    clock("10_clean")
    tables = kpis(events)
    for name, table in tables.items():
        table.to_parquet(folder / f"kpi.{name}.parquet")
    clock("20_kpi")
    parts = segments(tables["user_features"])
    for name, table in parts.items():
        table.to_parquet(folder / f"{name}.parquet")
    clock("30_user_segments")
    counts = {"raw.rejected_lines": len(bad_lines), "clean.events": len(events)}
    counts |= {
        f"raw.loaded_files.{name}": int(files[name].iloc[0])
        for name in ("line_count", "rows_loaded")
    }
    counts |= {
        f"rejected: {reason}": int(n) for reason, n in rejected.reason.value_counts().items() if n
    }
    for row in corrections.itertuples():
        counts[f"corrected: {row.column_name} {row.raw_value!r} to {row.clean_value!r}"] = (
            row.row_count
        )
    return {**counts, **figures(tables | parts)}


def read_text(path):
    """The rows of a file as text, the file's account and its lines that are no rows."""
    digest, line_count, last = hashlib.sha256(), 0, b"\n"
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
            line_count += chunk.count(b"\n")
            last = chunk[-1:]
    line_count += last != b"\n"
    bad_lines = []

    def keep(line):
        error = (
            "MISSING COLUMNS" if line.actual_columns < line.expected_columns else "TOO MANY COLUMNS"
        )
        bad_lines.append((path.name, line.number, line.text, error))
        return "skip"

    raw = pd.read_csv(
        path, engine="pyarrow", dtype="str", keep_default_na=False, na_values=[""], on_bad_lines=keep,
    )  # fmt: skip
    if list(raw.columns) != COLUMNS or line_count != 1 + len(raw) + len(bad_lines):
        sys.exit(
            f"{path.name}: {line_count} lines are not a header, {len(raw)} rows and"
            f" {len(bad_lines)} rejected lines"
        )
    # Not at reading, where a column of digits would become numbers before it becomes categories.
    raw = raw.astype(dict.fromkeys(REPEATED, "category"))
    raw["file_name"] = pd.Categorical.from_codes(np.zeros(len(raw), "int8"), [path.name])
    about = path.stat()
    files = pd.DataFrame({
        "file_name": [path.name], "size_bytes": [about.st_size], "last_modified": [pd.Timestamp(about.st_mtime, unit="s")],
        "fingerprint": [digest.hexdigest()], "line_count": [line_count], "rows_loaded": [len(raw)],
        "rows_rejected": [len(bad_lines)], "loaded_at": [pd.Timestamp.now()],
    })  # fmt: skip
    return (
        raw,
        files,
        pd.DataFrame(bad_lines, columns=["file_name", "line", "csv_line", "error_type"]),
    )


def clean(raw):
    """Typed events, rejected rows with the first reason that holds, corrections; the rules of 10_clean."""
    time = times(raw.event_time)
    right = spellings(raw.event_type)
    event_type = raw.event_type.map(right)
    is_product, is_user = (
        raw.product_id.str.fullmatch(IDENTIFIER),
        raw.user_id.str.fullmatch(IDENTIFIER),
    )
    price = raw.price.where(raw.price.str.fullmatch(PRICE)).astype("float64")
    session = raw.user_session.str.lower()
    reasons = {
        "bad time": time.isna(),
        "unknown event_type": event_type.isna(),
        "no product": raw.product_id.isna(),
        "bad product": ~is_product,
        "bad price": price.isna(),
        "negative price": price < 0,
        "no user": raw.user_id.isna(),
        "bad user": ~is_user,
        "no session": raw.user_session.isna(),
        "bad session": ~session.str.fullmatch(UUID),
        "duplicate": duplicates(raw[COLUMNS]),
    }
    codes = np.select(list(reasons.values()), range(len(reasons)), default=-1)
    is_event = codes == -1
    reason = pd.Series(pd.Categorical.from_codes(codes, list(reasons)), raw.index)
    rejected = raw[~is_event].assign(reason=reason[~is_event])

    is_category = raw.category_id.str.fullmatch("[0-9]+")
    misspelt = raw.event_type.isin([value for value in right if right[value] != value])
    corrections = pd.concat([
        correction(raw.event_type[is_event & misspelt], right, "spelling"),
        correction(raw.category_id[is_event & raw.category_id.notna() & ~is_category], {}, "mangled"),
    ])  # fmt: skip

    good = raw[is_event]
    events = pd.DataFrame({
        "event_time": time[is_event], "event_type": event_type[is_event].astype("category"),
        "product_id": good.product_id.astype("int64"), "category_id": good.category_id.where(is_category[is_event]),
        "category_code": good.category_code, **category_levels(good.category_code), "brand": good.brand,
        "price": price[is_event], "user_id": good.user_id.astype("int64"), "user_session": session[is_event],
    })  # fmt: skip
    if len(events) + len(rejected) != len(raw):
        sys.exit(
            f"{len(raw)} raw rows are not {len(events)} events + {len(rejected)} rejected rows"
        )
    return events, rejected, corrections


def times(text):
    """`2019-10-01 00:00:00 UTC`, or without ` UTC`, or with `T` and perhaps `Z`; the usual ones in one pass over the column."""
    parsed = pd.to_datetime(
        text.str.removesuffix(" UTC"), format="%Y-%m-%d %H:%M:%S", errors="coerce"
    )
    odd = text[parsed.isna()].dropna().str.removesuffix("Z")
    parsed.loc[odd.index] = pd.to_datetime(odd, format="%Y-%m-%dT%H:%M:%S", errors="coerce")
    return parsed


def spellings(column):
    """Each distinct spelling of an event type, and the type that it stands for, if there is one."""
    near = {
        value: difflib.get_close_matches(value.strip().lower(), EVENT_TYPES, 1, 0.7)
        for value in column.cat.categories
    }
    return {value: found[0] for value, found in near.items() if found}


def duplicates(rows):
    """`rows.duplicated()` in less time: few rows agree with another in three columns, and these alone are compared in full."""
    suspects = rows[rows.duplicated(["event_time", "product_id", "user_id"], keep=False)]
    return suspects.duplicated().reindex(rows.index, fill_value=False)


def correction(values, right, rule):
    """Changed values with the number of their events."""
    counts = values.astype("str").value_counts()
    return pd.DataFrame({
        "table_name": "events", "column_name": values.name, "raw_value": counts.index,
        "clean_value": counts.index.map(right.get), "rule": rule, "row_count": counts.to_numpy(),
    })  # fmt: skip


def category_levels(codes):
    """The first three levels of a category; split once for each distinct one."""
    levels = codes.cat.categories.to_series().str.split(".", expand=True).reindex(columns=range(3))
    return {
        f"category_{level + 1}": codes.map(levels[level]).astype("category") for level in range(3)
    }


def ratio(part, whole):
    """part / whole, 0 without any."""
    return (part / whole.where(whole != 0)).fillna(0.0)


def kpis(events):
    """The tables of 20_kpi. Numbers of users, days and months are sums over the visits of a day, as they are there."""
    bought = events.event_type == "purchase"
    events = events.assign(
        day=events.event_time.dt.floor("D"), session=pd.factorize(events.user_session)[0], views=events.event_type == "view",
        carts=events.event_type == "cart", purchases=bought, revenue=events.price.where(bought, 0.0),
    )  # fmt: skip
    groups = events.groupby(["day", "user_id", "session"], sort=False)
    visits = groups[["views", "carts", "purchases", "revenue"]].sum()
    visits = visits.assign(
        events=groups.size(), first=groups.event_time.min(), last=groups.event_time.max()
    ).reset_index()
    visits["month"] = visits.day.dt.to_period("M").dt.to_timestamp()
    users = visits.groupby("user_id").agg(**SUMS, first=("first", "min"), last=("last", "max"))
    return {
        "user_features": user_features(users, visits),
        "daily": period(visits, "day", users["first"].dt.floor("D")),
        "monthly": monthly(visits, users),
        "category": products(events, "category_code"),
        "brand": products(events, "brand"),
        "funnel": funnel(visits),
        "cohorts": cohorts(visits),
    }


def user_features(users, visits):
    baskets = (
        visits[visits.purchases > 0]
        .groupby("user_id")
        .session.nunique()
        .reindex(users.index, fill_value=0)
    )
    last_day = users["last"].dt.floor("D")
    spent = users.revenue.round(2)
    return pd.DataFrame({
        "total_events": users.events, "total_views": users.views, "total_purchases": users.purchases,
        "avg_time_between_events": (users["last"] - users["first"]).dt.total_seconds() / (users.events - 1).replace(0, np.nan),
        "total_spent": spent, "avg_basket": ratio(spent, baskets), "last_event_time": users["last"],
        "conversion_rate": ratio(users.purchases, users.views), "purchase_ratio": users.purchases / users.events,
        "days_since_last_event": (last_day.max() - last_day).dt.days,
    }).reset_index()  # fmt: skip


def period(visits, name, first):
    """A row a day or month; `first` is that of each user's first event."""
    groups = visits.groupby(name)
    table = groups.agg(**SUMS, users=("user_id", "nunique"), sessions=("session", "nunique"))
    baskets = (
        visits[visits.purchases > 0]
        .groupby(name)
        .session.nunique()
        .reindex(table.index, fill_value=0)
    )
    table["revenue"] = table.revenue.round(2)
    table["new_users"] = first.value_counts().reindex(table.index, fill_value=0)
    table["conversion_rate"] = ratio(table.purchases, table.views)
    table["avg_basket"] = ratio(table.revenue, baskets)
    order = ["events", "users", "new_users", "sessions", "views", "carts", "purchases", "revenue"]
    return table[[*order, "conversion_rate", "avg_basket"]].reset_index()


def monthly(visits, users):
    table = period(visits, "month", users["first"].dt.to_period("M").dt.to_timestamp()).set_index(
        "month"
    )
    measures = table[["events", "users", "purchases", "revenue"]]
    before = measures.shift(freq="MS").reindex(table.index)
    return table.join(
        ((measures - before) / before.where(before != 0)).add_suffix("_change")
    ).reset_index()


def products(events, column):
    """A row a category or brand, and one for events without."""
    groups = events.groupby(column, dropna=False, observed=True)
    table = groups[["views", "carts", "purchases", "revenue"]].sum()
    bought = events[events.purchases].groupby(column, dropna=False, observed=True)
    table["revenue"] = table.revenue.round(2)
    table["buyers"] = bought.user_id.nunique().reindex(table.index, fill_value=0)
    table["conversion_rate"] = ratio(table.purchases, table.views)
    table["share"] = ratio(table.revenue, pd.Series(table.revenue.sum(), table.index))
    table["rank"] = table.revenue[table.index.notna()].rank(method="min", ascending=False)
    return table.reset_index().sort_values(["rank", column])


def funnel(visits):
    """A row a month and step; a later step counts as the ones before it."""
    counts = {}
    for who, name in (("user_id", "users"), ("session", "sessions")):
        reached = visits.groupby(["month", who])[["views", "carts", "purchases"]].sum() > 0
        reached["carts"] |= reached.purchases
        reached["views"] |= reached.carts
        counts[name] = reached.groupby("month").sum().stack()
    table = pd.DataFrame(counts).rename_axis(["month", "step"]).reset_index()
    table["step"] = table.step.str.removesuffix("s")
    table.insert(1, "step_number", table.groupby("month").cumcount() + 1)
    later = table.groupby("month")[["users", "sessions"]].shift(-1)
    table["next_user_rate"] = ratio(later.users, table.users).where(table.step_number < 3)
    table["next_session_rate"] = ratio(later.sessions, table.sessions).where(table.step_number < 3)
    return table


def cohorts(visits):
    """A row a first month and number of months since, those without an active user too."""
    active = visits.groupby(["user_id", "month"]).revenue.sum().reset_index()
    active["first_month"] = active.groupby("user_id").month.transform("min")
    cells = active.groupby(["first_month", "month"]).agg(
        active_users=("user_id", "size"), revenue=("revenue", "sum")
    )
    firsts = cells.index.unique("first_month")
    months = pd.date_range(firsts.min(), active.month.max(), freq="MS")
    table = cells.reindex(
        pd.MultiIndex.from_product([firsts, months], names=cells.index.names), fill_value=0
    ).reset_index()
    table = table[table.month >= table.first_month]
    since = (
        (table.month.dt.year - table.first_month.dt.year) * 12
        + table.month.dt.month
        - table.first_month.dt.month
    )
    users = table.groupby("first_month").active_users.transform("first")
    return pd.DataFrame({
        "first_month": table.first_month, "months_since": since, "users": users, "active_users": table.active_users,
        "retention": table.active_users / users, "revenue": table.revenue.round(2),
    })  # fmt: skip


def segments(features):
    """Users with at least ten events in five segments, what is different about each, the map and its axes."""
    users = features[features.total_events >= 10].reset_index(drop=True)
    values = users.drop(columns=["user_id", "last_event_time"]).fillna(0.0)
    names = list(values.columns)
    scaled = StandardScaler().fit_transform(values.assign(**np.log1p(values[LOGARITHMIC])))
    users["segment"] = KMeans(n_clusters=5, n_init=1, random_state=42).fit_predict(scaled)
    pca = PCA(n_components=2).fit(scaled)
    places = pca.transform(scaled)

    known = users[names]
    size = users.segment.value_counts().sort_index()
    means = known.groupby(users.segment).mean()
    profile = pd.DataFrame({
        "mean": means.stack(), "z_score": pd.DataFrame(scaled, columns=names).groupby(users.segment).mean().stack(),
    }).rename_axis(["segment", "feature"]).reset_index()  # fmt: skip
    profile.insert(1, "size", profile.segment.map(size))
    profile.insert(2, "share", profile["size"] / len(users))
    profile["rank"] = (
        profile.z_score.abs().groupby(profile.segment).rank(method="first", ascending=False)
    )
    return {
        "main.user_segments": users,
        "kpi.segment_profile": profile.sort_values(["segment", "rank"]),
        "kpi.segment_map": users[["user_id", "segment"]].assign(pc1=places[:, 0], pc2=places[:, 1]),
        "kpi.segment_components": pd.DataFrame({
            "component": np.repeat([1, 2], len(names)), "feature": names * 2, "loading": pca.components_.ravel(),
            "explained_variance_ratio": np.repeat(pca.explained_variance_ratio_, len(names)),
        }),
    }  # fmt: skip


def figures(tables):
    """Rows of each table and the sums of its numbers, but for what two seeds of k-means may give differently."""
    found = {}
    for name, table in tables.items():
        name = name if "." in name else f"kpi.{name}"
        found[f"{name} rows"] = len(table)
        numbers = table.select_dtypes("number")
        if name == "kpi.segment_components":
            numbers = numbers[["explained_variance_ratio"]]
        elif name in ("kpi.segment_profile", "kpi.segment_map"):
            continue
        sums = numbers.drop(columns=["segment", "user_id"], errors="ignore").astype("float64").sum()
        found |= {f"{name} {column}": float(value) for column, value in sums.items()}
    return found
