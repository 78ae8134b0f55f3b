// The extension in DuckDB's Node client: it loads, its functions give the same figures as elsewhere, errors are errors.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { DuckDBInstance } from '@duckdb/node-api';

const users = `(SELECT i AS user_id, i % 3 * 100 + i % 7 AS total_spent, i % 3 * 5 + i % 2 AS total_events FROM range(300) AS t (i))`;

async function connect() {
  const instance = await DuckDBInstance.create(':memory:', { allow_unsigned_extensions: 'true' });
  const connection = await instance.connect();
  await connection.run(`LOAD '${process.env.AMAZING_EXTENSION}'`);
  return connection;
}

async function rows(connection, sql) {
  return (await connection.runAndReadAll(sql)).getRowsJson();
}

test('building blocks fit and predict', async () => {
  const connection = await connect();
  const found = await rows(
    connection,
    `SELECT kmeans_predict((SELECT kmeans_fit(u, 3) FROM ${users} AS u), u) AS segment, count(*)
     FROM ${users} AS u GROUP BY ALL ORDER BY segment`,
  );
  assert.deepEqual(found, [[0, '100'], [1, '100'], [2, '100']]);
});

test('relations are there under amz', async () => {
  const connection = await connect();
  await connection.run(`CREATE TABLE user_features AS FROM ${users}`);
  const found = await rows(
    connection,
    'SELECT segment, count(*) FROM amz.kmeans_segments(user_features, k := 3) GROUP BY ALL ORDER BY segment',
  );
  assert.deepEqual(found, [[0, '100'], [1, '100'], [2, '100']]);
});

test('a mistake is a rejected promise and the connection goes on', async () => {
  const connection = await connect();
  await assert.rejects(
    rows(connection, `SELECT kmeans_fit(u, 0) FROM ${users} AS u`),
    /kmeans_fit: k must be between 1 and 1024, not 0/,
  );
  assert.deepEqual(await rows(connection, 'SELECT 42'), [[42]]);
});

test('the local repository has the copy for this version', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'amazing-'));
  try {
    const instance = await DuckDBInstance.create(':memory:', {
      allow_unsigned_extensions: 'true',
      extension_directory: folder,
    });
    const connection = await instance.connect();
    const repository = join(dirname(process.env.AMAZING_EXTENSION), '..', 'repo');
    await connection.run(`INSTALL amazing FROM '${repository}'`);
    await connection.run('LOAD amazing');
    await connection.run(`CREATE TABLE user_features AS FROM ${users}`);
    const found = await rows(
      connection,
      'SELECT segment, count(*) FROM amz.kmeans_segments(user_features, k := 3) GROUP BY ALL ORDER BY segment',
    );
    assert.deepEqual(found, [[0, '100'], [1, '100'], [2, '100']]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
